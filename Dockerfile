# The demo without installing anything but Docker:
#   docker build -t onnx-attribution .
#   docker run --rm onnx-attribution                         draws the demo's graph and prints it
#   docker run --rm onnx-attribution --help                  any other call
#   mkdir -p runs && docker run --rm --user "$(id -u)" -v "$PWD/runs:/runs" onnx-attribution
#                                                            leaves the graph, and its page, in ./runs/copyright
# It was written without a Docker to run it: hadolint (github.com/hadolint/hadolint) reads it, and its steps are those that
# `make pack` and `make demo` take outside.

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
# git for the version, Node.js for the page's script, and a linker for a program that is compiled ahead of time
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends gcc git libc6-dev make nodejs npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN make pack \
    && mkdir /program \
    && tar -xzf artifacts/onnx-attribution-*.tar.gz -C /program --strip-components=1

# what a program needs that brings its own .NET: a C library, and C++'s for ONNX Runtime and DuckDB
FROM mcr.microsoft.com/dotnet/runtime-deps:10.0
COPY --from=build /program /opt/onnx-attribution
COPY --from=build /source/models/tiny /models/tiny
ENV PATH="/opt/onnx-attribution:$PATH"
RUN mkdir /runs && chown "$APP_UID" /runs
USER $APP_UID
ENTRYPOINT ["onnx-attribution"]
CMD ["graph", "--model", "/models/tiny", "--prompt", "Copyright (C", "--target", ")", "--edges", "exact", \
    "--out", "/runs/copyright", "--force"]
