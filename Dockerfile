# The image of airbyte-exporter: `docker build -t airbyte-exporter:0.1.0 .`
# Dependencies come from the lock file by hash. tests/contract/deploy runs these very steps in a clean prefix.
# The base is what Docker Hub had under this tag in September 2026; a digest never moves, .github/dependabot.yml proposes newer ones.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/runtime.txt requirements/
RUN python -m venv --without-pip /opt/airbyte-exporter \
 && pip --python /opt/airbyte-exporter install --require-hashes --only-binary :all: -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY airbyte_exporter airbyte_exporter
COPY deploy/image/healthy.py /opt/airbyte-exporter/bin/
RUN chmod 0644 /opt/airbyte-exporter/bin/healthy.py \
 && pip --python /opt/airbyte-exporter wheel --no-deps --no-index --no-build-isolation --wheel-dir /dist . \
 && pip --python /opt/airbyte-exporter install --no-deps --no-index /dist/*.whl \
 && pip --python /opt/airbyte-exporter uninstall --yes hatchling packaging pathspec pluggy tomlkit trove-classifiers \
 && pip --python /opt/airbyte-exporter check

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=unknown
ARG BASE_DIGEST=unknown
LABEL org.opencontainers.image.title="airbyte-exporter" \
      org.opencontainers.image.description="Prometheus metrics and trustworthy alerts for Airbyte" \
      org.opencontainers.image.url="https://github.com/airbyte-exporter/airbyte-exporter" \
      org.opencontainers.image.source="https://github.com/airbyte-exporter/airbyte-exporter" \
      org.opencontainers.image.documentation="https://github.com/airbyte-exporter/airbyte-exporter/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim" \
      org.opencontainers.image.base.digest="${BASE_DIGEST}"
# Some platforms run it as a user of their choice in the group 0.
RUN install -d -o 65532 -g 0 -m 0770 /var/lib/airbyte-exporter
COPY --from=build /opt/airbyte-exporter /opt/airbyte-exporter
# The state is the only thing that is written: a read-only root is fine.
ENV PATH=/opt/airbyte-exporter/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    AIRBYTE_EXPORTER_STATE__URL=sqlite:////var/lib/airbyte-exporter/state.db
USER 65532:65532
VOLUME /var/lib/airbyte-exporter
EXPOSE 10980
# Where the configuration file or an option sets another address, or the web configuration demands client certificates, give the
# container a check of its own.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "/opt/airbyte-exporter/bin/healthy.py"]
ENTRYPOINT ["airbyte-exporter"]
CMD ["run"]
