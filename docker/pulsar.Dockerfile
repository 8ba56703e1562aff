# A Pulsar server whose jobs run as containers of the docker whose socket is mounted:
#   docker build -f docker/pulsar.Dockerfile -t tes-gateway-pulsar .
# Behind a package mirror or a firm's own certificate authority, as with docker/Dockerfile: --secret id=pipconf,src=... --secret id=ca,src=...
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm
ARG DOCKER_IMAGE=docker:28.2.2-cli

FROM ${DOCKER_IMAGE} AS docker

FROM ${PYTHON_IMAGE} AS build
# The very versions that the project's tests use.
COPY test/system/pulsar/requirements.txt /build/
RUN --mount=type=secret,id=pipconf,target=/run/pip.conf --mount=type=secret,id=ca,target=/run/ca.pem --mount=type=cache,target=/root/.cache/pip \
    if [ -s /run/ca.pem ]; then export PIP_CERT=/run/ca.pem; fi; if [ -s /run/pip.conf ]; then export PIP_CONFIG_FILE=/run/pip.conf; fi; \
    python3 -m venv /opt/pulsar && /opt/pulsar/bin/pip install --disable-pip-version-check --no-deps -r /build/requirements.txt

FROM ${PYTHON_IMAGE}
COPY --from=docker /usr/local/bin/docker /usr/local/bin/docker
COPY --from=build /opt/pulsar /opt/pulsar
COPY docker/pulsar.sh /docker/
RUN groupadd --gid 1000 pulsar && useradd --uid 1000 --gid pulsar --home-dir /var/lib/pulsar pulsar && install -d -o pulsar -g pulsar -m 700 /var/lib/pulsar
USER 1000:1000
EXPOSE 8913
# To be run with --init (`init: true`): jobs outlive the processes that started them, and somebody must collect them.
ENTRYPOINT ["sh", "/docker/pulsar.sh"]
