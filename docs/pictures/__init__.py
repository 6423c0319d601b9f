"""Pictures of the dashboards, drawn from real answers."""
