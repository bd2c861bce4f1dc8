# make demo and make test are all a newcomer needs: each does its own set-up. make check is the part of the tests to run after every change.
CONFIG ?= Release
CLI = dotnet src/OnnxAttribution.Cli/bin/$(CONFIG)/net10.0/onnx-attribution.dll
TESTS = dotnet tests/OnnxAttribution.Tests/bin/$(CONFIG)/net10.0/OnnxAttribution.Tests.dll
# PyTorch fights itself on small machines without these
PEER = OMP_WAIT_POLICY=passive OMP_NUM_THREADS=$$(nproc) OPENBLAS_NUM_THREADS=$$(nproc) $(PYTHON)
PYTHON ?= python3
SUDO = $(if $(filter 0,$(shell id -u)),,sudo)
CHROMIUM ?= $(shell for name in chromium chromium-browser google-chrome chrome; do command -v $$name && break; done)
# rooms and public API, every gradient rule and segment, graphs, checkpoints, tokenizers, the store's files; conservation and the
# goldens of whole graphs
QUICK = Architecture.* Onnx.* Autodiff.* Reference.* Checkpoints.* Tokenizers.TokenizerTests Tokenizers.Gpt2TokenizerTests \
	Store.StoredTableTests Store.RunDirectoryTests Attribution.GoldenTests Attribution.Invariants.ConservationTests
.PHONY: demo test test-kills check build test-tools lint bench validation gpu gpu-check test-slurm package pack pack-tools clean

demo: build
	@test -f models/tiny/bundle.json || $(CLI) export --checkpoint models/tiny --out models/tiny
	$(CLI) graph --model models/tiny --prompt "Copyright (C" --target ")" --edges exact --out runs/copyright --force
	$(CLI) validate runs/copyright --compare gradient,ig,relp,frozen,gim,atpstar
	$(CLI) query runs/copyright "SELECT down_site, count(*) AS edges, round(sum(abs(effect)), 3) AS effect FROM edges \
		WHERE down_feature != -2 GROUP BY down_site ORDER BY effect DESC LIMIT 5"
	@echo "the graph as a page, to be opened in a browser: $(CURDIR)/runs/copyright/graph.html"

test: build test-tools
	@mkdir -p TestResults
	CHROMIUM="$(CHROMIUM)" PYTHON="$(NOTEBOOK_PYTHON)" $(TESTS) -result-xml TestResults/results.xml

# a dataset of 500 prompts whose program is killed at 50 random moments: minutes
test-kills: build
	$(TESTS) -explicit only -class OnnxAttribution.Tests.Cli.DatasetKillTests -showLiveOutput

# half a minute on two cores once built; needs no browser
check: build
	$(TESTS) $(foreach c,$(QUICK),-class "OnnxAttribution.Tests.$(c)")

# the notebook of examples/ is run with these packages of Debian or Ubuntu; elsewhere PYTHON=/path/to/python3 names one that has them
NOTEBOOK_PYTHON = $(if $(filter /%,$(PYTHON)),$(PYTHON),/usr/bin/python3)
NOTEBOOK = $(if $(shell $(NOTEBOOK_PYTHON) -c 'import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None \
	for m in ["ipykernel", "matplotlib", "nbclient", "networkx", "pandas"]))' 2>/dev/null && echo yes),, \
	python3-ipykernel python3-matplotlib python3-nbclient python3-networkx python3-pandas)

# the page is tested in a real browser, strace watches what the program asks of Linux, and zsh completes: all come from Debian's and
# Ubuntu's packages; elsewhere CHROMIUM=/path/to/chrome names the browser
MISSING = $(if $(CHROMIUM),,chromium fonts-dejavu-core) $(if $(filter Linux,$(shell uname)),$(foreach tool,strace zsh, \
	$(if $(shell command -v $(tool)),,$(tool)))) $(NOTEBOOK)
APT = -qq -o Acquire::Retries=3
INSTALL = $(SUDO) apt-get update $(APT) && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y $(APT) --no-install-recommends
test-tools:
ifneq ($(strip $(MISSING)),)
	@command -v apt-get >/dev/null || \
		{ echo "the tests need $(strip $(MISSING)): install it, or name a Chrome with CHROMIUM=/path/to/chrome" >&2; exit 1; }
	$(INSTALL) $(MISSING) >/dev/null
endif

build:
	dotnet build -c $(CONFIG) --nologo -v quiet

lint: build
	dotnet format --verify-no-changes --exclude node_modules

# PyTorch's figures where it is installed (Debian: python3-torch, libopenblas0-pthread), ours on the same shape and on Pythia's, naive
# ablation; raw results go to benchmarks/, and the tables made from them are made anew. A quarter of an hour on a quiet machine.
BENCH = dotnet bench/OnnxAttribution.Bench/bin/$(CONFIG)/net10.0/OnnxAttribution.Bench.dll
bench: build
	@mkdir -p TestResults
	@if $(PEER) -c 'import torch' 2>/dev/null; then \
		echo "timing PyTorch, a minute" && \
		$(PEER) bench/bench_peer.py --threads $$(nproc) --json > TestResults/peers.json && \
		$(BENCH) --record benchmarks --peers TestResults/peers.json; \
	else \
		echo "the peers are not timed: no PyTorch (PYTHON=/usr/bin/python3 chooses another python)" && $(BENCH) --record benchmarks; \
	fi
	$(BENCH) --refine 0 --screen --record benchmarks
	$(BENCH) --batch 32 --screen --record benchmarks
	$(BENCH) --model-shape pythia-70m --record benchmarks
	$(BENCH) --ablate --runs 1 --record benchmarks
	$(BENCH) --tables README.md
	$(BENCH) --tables docs/explanation/memory-and-speed.md

# docs/results/validation*.md: every estimator against real interventions on held-out prompts
validation: build
	$(PYTHON) docs/results/validation.py --cli "$(CLI)" --bench "$(BENCH)"
	$(PYTHON) docs/results/validation.py --cli "$(CLI)" --model models/deep --runs runs/validation-deep --graphs 0 \
		--depths 1,2,3,4,6,8,10 --refine 32,128 --sample 100 --no-sampled-depths --no-pairs --out docs/results/validation-deep.md
	$(PYTHON) docs/results/validation.py --cli "$(CLI)" --model models/deep --runs runs/validation-deep --keep-runs \
		--refine 32,128 --sample 100 --only-pairs --out docs/results/validation-deep-pairs.md

# the CUDA 13 execution provider for linux-x64, 245 MB
gpu:
	dotnet build -c $(CONFIG) -p:Gpu=true --nologo -v quiet

# for somebody with a card: the same graphs on it, and its speed
gpu-check: gpu
	bench/gpu-check "$(CLI)" "$(BENCH)"

# array jobs on a real Slurm of this one machine (Debian's or Ubuntu's packages), which is started for the tests, as root, and stopped
SLURM = slurmctld slurmd slurm-client munge
test-slurm: build
	@mkdir -p TestResults
	@command -v slurmctld slurmd sbatch munged >/dev/null || { $(INSTALL) $(SLURM) >/dev/null; }
	$(SUDO) $(TESTS) -explicit only -namespace OnnxAttribution.Tests.Slurm -diagnostics -result-xml TestResults/slurm.xml

# for the machine that it runs on, into artifacts/: the tool and the library for NuGet, and an archive of the program; then
# their tests, and those of the command line with the archive's program
package: pack build
	@mkdir -p TestResults
	$(TESTS) -explicit only -namespace OnnxAttribution.Tests.Packaging -result-xml TestResults/package.xml
	ONNX_ATTRIBUTION="$$(ls $(CURDIR)/artifacts/build/obj/OnnxAttribution.Cli/archive/*/onnx-attribution)" \
		$(TESTS) -namespace OnnxAttribution.Tests.Cli -result-xml TestResults/archive.xml

# the program is compiled ahead of time, which takes a minute; what make build makes stays as it is
PACK = dotnet pack -c Release -o artifacts --artifacts-path artifacts/build -p:PublishAot=true --nologo -v quiet
pack: pack-tools
	rm -rf artifacts/*.nupkg artifacts/*.tar.gz artifacts/build/publish
	$(PACK) src/OnnxAttribution.Cli
	$(PACK) src/OnnxAttribution.Cli --no-build -p:UseCurrentRuntimeIdentifier=false
	$(PACK) src/OnnxAttribution --no-build

# what links it
LINKER = $(shell command -v clang || command -v gcc)
pack-tools:
ifeq ($(LINKER),)
	@command -v apt-get >/dev/null || { echo "make package needs clang or gcc: install one of them" >&2; exit 1; }
	$(INSTALL) gcc libc6-dev >/dev/null
endif

clean:
	dotnet clean -c $(CONFIG) --nologo -v quiet
	rm -rf runs TestResults artifacts
