# `make` builds dist/ptp; `make help` lists the rest.

# The interpreter that will run dist/ptp; it is named in the file's first line.
PYTHON := $(shell test -x /usr/bin/python3 && echo /usr/bin/python3 || \
	python3 -I -S -c 'import os, sys; print(os.path.realpath(sys.executable))')

# The packages of Debian and Ubuntu that `make test` needs; as root it installs those that are missing.
PACKAGES := python3-venv iproute2 iptables nftables strace util-linux containernetworking-plugins gcc libc6-dev \
	python3-yaml groff-base procps
export PYTHON PACKAGES
# Where Debian has nft and iptables; an ordinary user's PATH there lacks both.
export PATH := $(PATH):/usr/sbin:/sbin

# Tests see a network of their own: whatever one of them does wrong, this machine's is out of its reach.
UNSHARE := unshare -n -m $(shell test `id -u` -eq 0 || echo -U -r)
# In a user namespace of our own we look like root; pytest names its directory by this, and root's would not be ours.
export LOGNAME := $(shell id -un)
PYTEST_ARGS :=
# Tests wait for the kernel, to take namespaces and links away, half of their time.
WORKERS := $(shell expr `nproc` \* 3 / 2)
TO := /opt/cni/bin
BENCH_ARGS := --fill 0 1000 5000 --burst 200

build: ## build dist/ptp, its SBOM and SHA256SUMS (PYTHON=/path: the interpreter that will run it)
	@"$(PYTHON)" -I -S tools/build_ptp.py build --interpreter "$(PYTHON)"

demo: build ## see it work: a host and a container of its own, this machine's network is not touched
	@dist/ptp demo

install: build ## put the plugin where the container runtime looks for it (TO=/opt/cni/bin, INSTALL_ARGS=…)
	@dist/ptp install --to "$(TO)" --python "$(PYTHON)" $(INSTALL_ARGS)

uninstall: build ## take it away again, and put back what was there (TO=/opt/cni/bin)
	@dist/ptp uninstall --to "$(TO)"

verify: ## rebuild from these sources and compare dist/ptp with it byte for byte
	@"$(PYTHON)" -I -S tools/build_ptp.py verify --interpreter "$(PYTHON)"

manifest: ## write cni_ptp/bundle/manifest.py, the list of the sources, from git's
	@"$(PYTHON)" -I -S tools/build_ptp.py manifest

test: build ## run the tests, installing what they need (PYTEST_ARGS='-k …' selects)
	@tools/prepare.sh test
	@echo "make: all tests take about 4 minutes on two idle cores; each dot is a test, the percentage is what is done"
	$(UNSHARE) .venv/bin/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

lint: ## ruff and mypy --strict
	@tools/prepare.sh lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: build ## compare with the Go plugin; writes docs/performance.md, README.md (BENCH_ARGS: see tools/bench.py)
	@tools/prepare.sh test
	python3 -I -S tools/bench.py --write docs $(BENCH_ARGS)
	python3 -I -S tools/bench_report.py docs/performance.json
	python3 -I -S tools/readme_figures.py

# The container runtimes of Debian 12; each test runs them in namespaces of its own, with files of its own.
e2e: PACKAGES += containerd runc podman busybox-static curl
e2e: build ## run containerd (ctr, CRI) and podman with the built file, as root (PTP=/path: with another ptp)
	@tools/prepare.sh test
	CNI_PTP_E2E=1 .venv/bin/python -m pytest --confcutdir=tests/e2e -n 2 tests/e2e $(PYTEST_ARGS)

# No released Debian has a runtime that speaks 1.1.0; kept in build/sid.
containerd2: PACKAGES += debootstrap debian-archive-keyring busybox-static curl containerd runc podman
containerd2: build ## run containerd 2 of Debian unstable, with spec 1.0.0 and 1.1.0, as root
	@tools/prepare.sh test
	@tools/debian_root.sh sid build/sid \
		python3,containerd,runc,iproute2,nftables,iptables,containernetworking-plugins,curl,procps
	CNI_PTP_E2E=1 SYSTEM=build/sid VERSIONS='1.0.0 1.1.0' .venv/bin/python -m pytest --confcutdir=tests/e2e -n 2 \
		tests/e2e/test_containerd_ctr.py tests/e2e/test_containerd_cri.py $(PYTEST_ARGS)

# Kept in build/hosts: the Debian systems, 1 min each to install.
hosts: PACKAGES += debootstrap debian-archive-keyring
hosts: build ## run it under CPython 3.9 to 3.13 where found, 3.14 and 3.15, and in Debians with Python only, as root
	@tools/prepare.sh test
	@tests/hosts/run.sh

newcomer: PACKAGES += debootstrap debian-archive-keyring
# SUITES=bookworm: only Debian 12.  Kept in build/hosts: the empty Debians, 1 min each to install.
newcomer: ## README's commands in an empty Debian 12 and 13, as root and as an ordinary user (30 min; run it as root)
	@tools/prepare.sh test
	@tests/hosts/newcomer.sh
	@tests/hosts/first_run.sh

faults: build ## the whole sweep: a fault at every system call of ADD and DEL, every backend (6 minutes)
	@tools/prepare.sh test
	CNI_PTP_FAULTS=all $(UNSHARE) .venv/bin/python -m pytest -n auto tests/faults tests/chained/test_faults.py

# Kept in build/vm: the Debian systems and kernels, 2 min each to get.
vm: PACKAGES += debootstrap debian-archive-keyring qemu-system-x86 cpio
vm: build ## run it on Debian's kernels 5.10, 6.1 and 6.12 in virtual machines, as root (1 min each)
	@tools/prepare.sh test
	@tests/vm/run.sh

readme: build ## put what the demo prints into docs/demo.md, and the figures of docs/performance.json into README.md
	python3 -I -S tools/demo_output.py
	python3 -I -S tools/readme_figures.py

clean: ## remove what the other targets made
	rm -rf dist build .venv .mypy_cache .ruff_cache .pytest_cache *.egg-info

help: ## list the targets
	@sed -n 's/^\([a-z0-9]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r target text; \
		do printf '  make %-11s %s\n' "$$target" "$$text"; done

.PHONY: e2e containerd2 hosts newcomer vm build demo install uninstall verify manifest test lint bench faults readme clean help
.DEFAULT_GOAL := build
