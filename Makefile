# make demo and make test are all a newcomer needs: each does its own set-up.
CONFIG ?= Release
CLI = dotnet src/OnnxAttribution.Cli/bin/$(CONFIG)/net10.0/onnx-attribution.dll
.PHONY: demo test setup build lint bench gpu clean

setup: node_modules/.package-lock.json

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

build: setup
	dotnet build -c $(CONFIG) --nologo -v quiet

test: build
	dotnet tests/OnnxAttribution.Tests/bin/$(CONFIG)/net10.0/OnnxAttribution.Tests.dll

lint: setup
	dotnet format --verify-no-changes --exclude node_modules

clean:
	git clean -fdX -e '!node_modules'
