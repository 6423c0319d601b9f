"""Run migrations on the connection that `airbyte_exporter.store` hands over, in its transaction.

There is no alembic.ini and no connection of its own: the store has locked the state before it comes here.
"""

from alembic import context

from airbyte_exporter.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
