# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).

.PHONY: all build release install charon-plugin demo demo-stop test test-long test-ipsec test-macsec test-mka fuzz bench bench-secy format lint clean

all: build

build:
	@scripts/setup build
	swift build

release:
	@scripts/setup build
	swift build -c release --product agentd
	swift build -c release --product kmesim
	swift build -c release --product secyd

# For use: PREFIX (/usr/local) and DESTDIR as usual (docs/installing.md).
install:
	@scripts/setup build
	@PREFIX=$(or $(PREFIX),/usr/local) DESTDIR=$(DESTDIR) scripts/install

# charon's plugin, by which it asks the agent for PPKs (docs/charon-plugin.md).
charon-plugin:
	@charon-plugin/build

# A key management entity, the agent, and a NETCONF client that configures it; leaves both running.
demo:
	@scripts/setup build demo
	@scripts/demo start

demo-stop:
	@scripts/demo stop

# Every test, from a clean clone: unit, models, interoperability, documents.
test:
	@scripts/setup build test
	@scripts/test

# The same with the long crash loops, corpora and floods.
test-long:
	@scripts/setup build test
	@AGENTD_LONG=1 scripts/test

# IPsec alone: its unit tests, and the whole agent against charons in network namespaces.
test-ipsec:
	@scripts/setup build test
	swift build --build-tests
	swift test --skip-build --filter IPsecTests
	@Tests/charon-plugin/run
	.venv/bin/python3 -m pytest -q -p no:cacheprovider Tests/Interop/test_ipsec*.py Tests/Interop/test_hostile_charon.py

# MACsec alone: the backend's tests, and two agents on a link in network namespaces.
test-macsec:
	@scripts/setup build test
	swift build --build-tests
	swift test --skip-build --filter MACsecPortsTests
	.venv/bin/python3 -m pytest -q -p no:cacheprovider Tests/Interop/test_macsec.py

# MKA alone: the engine's tests with its simulations, and against wpa_supplicant.
test-mka:
	@scripts/setup build test
	swift build --build-tests
	swift test --skip-build --filter MKATests
	@Tests/mka/run

# Each fuzz target for half a minute (FUZZ_SECONDS); what crashes one is kept in Fuzz/crashes and run by the tests.
fuzz:
	@scripts/setup build
	@Fuzz/run $(or $(FUZZ_SECONDS),30)

bench:
	@scripts/setup build bench
	@Benchmarks/run

# The userspace SecY alone.
bench-secy:
	@scripts/setup build
	@Benchmarks/secy

format:
	swift format -i --recursive Sources Tests Plugins Fuzz

lint:
	swift format lint --strict --recursive Sources Tests Plugins Fuzz

clean: demo-stop
	rm -rf .build .venv .demo
