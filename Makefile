# SPDX-License-Identifier: MIT
# The front door; meson.build does the work. `make help` lists what there is.

prefix ?= /usr/local
jobs := $(shell nproc)

.PHONY: run test bench check-asan check-tsan check-valgrind check-sweeps check-faults check-seeds check-chaos \
	check-kill9 check-fuzz mutants coverage install clean help

# Build, and serve the job system on http://127.0.0.1:8000 until Ctrl-C.
run: build/build.ninja
	meson compile -C build -j $(jobs)
	build/programs/kettle-jobs/kettle-jobs serve $(ARGS)

build/build.ninja:
	tools/install-deps build
	meson setup build -Dprefix=$(prefix) -Dtests=false -Dexamples=false

# Everything with gcc, the core again under ASan and UBSan, and with clang.
test:
	tools/install-deps build test
	tools/run-tests gcc asan clang

# The comparison with other runtimes and servers; prints ratios.
bench:
	tools/bench

# All C tests under AddressSanitizer and UBSan, gcc and clang.
check-asan:
	tools/install-deps build test
	tools/run-tests gcc-asan clang-asan

# All C tests under ThreadSanitizer (clang: gcc 12's ends at 8,128 fibers).
check-tsan:
	tools/install-deps build test
	tools/run-tests clang-tsan

# The core under Valgrind.
check-valgrind:
	tools/install-deps build test
	tools/run-tests valgrind

# Every public function cancelled, and without memory, at every point, in SEEDS (100) orders.
check-sweeps:
	tools/install-deps build test
	KETTLE_SWEEP_SEEDS=$(or $(SEEDS),100) tools/run-tests sweeps

# Every call to the system failing with each error of its manual page, once and for good, in whole programs.
check-faults:
	tools/install-deps build test
	tools/run-tests faults

# What is promised in any order of the tasks, in SEEDS (20000) orders, each of them twice.
check-seeds:
	tools/install-deps build test
	KETTLE_TEST_SEEDS=$(or $(SEEDS),20000) tools/run-tests seeds --only core-seeds --only core-seeds_sync \
	    --only core-seeds_tasks --only core-seeds_pattern

# Servers and clients of HTTP, WebSockets and events that do all that is legal, in SEEDS (3000) worlds drawn by lot.
check-chaos:
	tools/install-deps build test
	KETTLE_TEST_SEEDS=$(or $(SEEDS),3000) tools/run-tests seeds --only http-client_chaos --only http-stop_chaos \
	    --only http-server_chaos --only http-websocket_chaos --only http-websocket_hub_chaos \
	    --only http-websocket_odd_chaos --only http-event_chaos

# 10,000 jobs, and ten times kill -9 of their server.
check-kill9: build/build.ninja
	meson compile -C build -j $(jobs)
	tests/jobs/test_kill9.py build/programs/kettle-jobs/kettle-jobs --full

# The fuzzers: corpus, planted bug, then SECONDS (60) of fuzzing each.
check-fuzz:
	tools/install-deps build test fuzz
	KT_FUZZ_SECONDS=$(or $(SECONDS),60) tools/run-tests fuzz

# src/core broken in one place at a time: which breaks no test notices. ARGS='--file sched.c'
mutants:
	tools/install-deps build test
	tools/mutants $(ARGS)

# Line and branch coverage, in build-coverage/coverage.html.
coverage:
	tools/install-deps build test coverage
	tools/run-tests coverage
	gcovr --root . build-coverage --filter src/ --html-details build-coverage/coverage.html --txt

# Programs, libraries, headers into $(DESTDIR)$(prefix).
install: build/build.ninja
	meson configure build -Dprefix=$(prefix)
	meson compile -C build -j $(jobs)
	meson install -C build --no-rebuild $(if $(DESTDIR),--destdir "$(abspath $(DESTDIR))")
	$(if $(DESTDIR),,@[ "$$(id -u)" != 0 ] || /sbin/ldconfig)

clean:
	rm -rf build build-*

help:
	@awk '/^# / { said = substr($$0, 3) } /^[a-z-]+:/ { split($$1, t, ":"); \
	    if (said) printf "  make %-16s %s\n", t[1], said; said = "" }' Makefile
