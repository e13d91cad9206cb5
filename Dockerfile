# did-router with the edge (Envoy), the console and traces: docker build --tag did-router . — docs/deployment.md.
#
# The digest names one build of Debian 13 for every platform. It was taken from public repositories which agree on it,
# since no registry could be asked; renew it with `docker buildx imagetools inspect debian:trixie-slim`.
ARG BASE=debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f

# hadolint ignore=DL3006
FROM ${BASE} AS build
COPY deploy/docker /src/deploy/docker
COPY LICENSE README.md pyproject.toml requirements.lock /src/
COPY router /src/router
RUN ["/bin/sh", "/src/deploy/docker/build.sh", "/src", "/opt/did-router"]

# hadolint ignore=DL3006
FROM ${BASE}
COPY deploy/docker/runtime.sh /tmp/
RUN ["/bin/sh", "/tmp/runtime.sh"]
COPY --from=build /opt/did-router /opt/did-router
# No name: Kubernetes' runAsNonRoot needs a number, and the image needs no other user.
USER 65532:65532
ENV PATH=/opt/did-router/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# The root may be read-only: everything that is written goes to /tmp, for which a tmpfs suffices.
VOLUME ["/tmp"]
EXPOSE 50051 8080 9050 9060
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9050/healthz', timeout=2)"]
ENTRYPOINT ["did-router"]
CMD ["serve"]
