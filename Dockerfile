# The image of deploy/base/deployment.yaml: one binary and the libraries it is linked with.
#   docker build -t tollgate:0.1.0 .
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev make pkg-config libcurl4-gnutls-dev libgmp-dev libgnutls28-dev libjansson-dev \
        libmicrohttpd-dev libuv1-dev libyaml-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile VERSION ./
COPY include include
COPY reconcilers reconcilers
COPY crds crds
COPY controller controller
RUN make -j"$(nproc)" build/tollgate

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates libcurl3-gnutls libgmp10 libgnutls30 libjansson4 libmicrohttpd12 libuv1 libyaml-0-2 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/tollgate /usr/local/bin/tollgate
USER 65532:65532
EXPOSE 8080 8081 9443
ENTRYPOINT ["/usr/local/bin/tollgate"]
