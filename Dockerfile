# The service in an image, and the helper containers' image at the same time. `make image` builds it.
# BASE is any image with Python 3.11 to 3.13 and its venv module; both stages use the same one.
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
# For a mirror, or a certificate authority of one's own: `--build-arg PIP_INDEX_URL=…`; unset, pip's own defaults hold.
ARG PIP_INDEX_URL
ARG PIP_CERT
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# pip stands beside what is shipped, not in it.
RUN ["python3", "-m", "venv", "/opt/pip"]
RUN ["python3", "-m", "venv", "--without-pip", "/opt/bridgework"]
COPY requirements.lock /opt/
RUN ["/opt/pip/bin/pip", "--python", "/opt/bridgework/bin/python3", "install", "--require-hashes", "--requirement", "/opt/requirements.lock"]
COPY service/bridgework /opt/bridgework/app/bridgework
COPY openapi.yaml /opt/bridgework/app/bridgework/published/
COPY client/bridgework_cli /opt/bridgework/app/bridgework_cli
COPY client/bridgework_client /opt/bridgework/app/bridgework_client
# The root is read-only when it runs, so the bytecode is made here, and trusted without a look at the sources.
RUN ["/opt/bridgework/bin/python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/bridgework/app"]

FROM ${BASE}
ARG VERSION=unknown
LABEL org.opencontainers.image.title="Bridgework" \
      org.opencontainers.image.description="Docker networks over REST: change them, check them, explain them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
ENV PATH=/opt/bridgework/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/opt/bridgework/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    BRIDGEWORK_BIND=0.0.0.0:8080
COPY --from=build /opt/bridgework /opt/bridgework
# Where a proxy in another container finds its socket, whoever it runs as: a volume takes this folder's mode over.
RUN ["install", "--directory", "--mode", "1777", "/run/bridgework"]
# Where a volume for the state of expectations goes (BRIDGEWORK_STATE_DIR).
RUN ["install", "--directory", "--mode", "0700", "--owner", "65532", "--group", "65532", "/var/lib/bridgework"]
WORKDIR /opt/bridgework/app
# Nobody in particular; the socket's group comes with `--group-add`. What probing in the namespace needs beyond that,
# and why, is in docs/deployment.md.
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --start-interval=1s --retries=3 CMD ["python3", "-m", "bridgework.healthcheck"]
ENTRYPOINT ["python3", "-m", "gunicorn", "-c", "python:bridgework.gunicorn_conf", "bridgework.asgi:app"]
