# SPDX-License-Identifier: GPL-2.0
#
# "make help" lists the targets. Kbuild describes the module to the kernel's
# build system; the test bed is in selftests/vm.

KREL  ?= $(shell uname -r)
KDIR  ?= /lib/modules/$(KREL)/build
vm    := selftests/vm

all: ## the module for the running kernel (KDIR= for another) and the CLI
	@if [ -e $(KDIR)/Makefile ]; then \
		$(MAKE) --no-print-directory module; \
	else \
		echo "$(no_headers); building only the CLI" >&2; \
	fi
	@$(MAKE) --no-print-directory tools

no_headers = kproxy: no kernel headers in $(KDIR): install \
linux-headers-$(KREL), or give KDIR=, or make module-6.12

module: ## module/kproxy.ko
	@[ -e $(KDIR)/Makefile ] || { echo "$(no_headers)" >&2; exit 1; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools: ## tools/kproxy, and its exporter
	@$(MAKE) --no-print-directory -C tools

install: all ## DESTDIR and PREFIX are honoured
	@if [ -e module/kproxy.ko ]; then \
		$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) \
			modules_install; \
	fi
	$(MAKE) -C tools install

uninstall: ## what install installed
	rm -f $(DESTDIR)/lib/modules/$(KREL)/updates/module/kproxy.ko*
	[ -n "$(DESTDIR)" ] || depmod $(KREL)
	$(MAKE) -C tools uninstall

deb: ## Debian packages, in build/deb: the command, and the module by DKMS
	@tools/packaging/build-deb

version = $(shell sed -n 's/^\#define KPROXY_VERSION "\(.*\)"/\1/p' \
	  include/kproxy_version.h)
dkms_tree = $(DESTDIR)/usr/src/kproxy-$(version)
# Sources alone: what was built beside them is for one kernel.
dkms_files = $(shell find Kbuild module include LICENSES -type f \
	\( -name '*.[ch]' ! -name '*.mod.c' -o -name Kbuild -o \
	-path 'LICENSES/*' \))

install-dkms: ## the module's source, for "dkms install kproxy/VERSION"
	mkdir -p $(dkms_tree)
	cp -a --parents $(dkms_files) $(dkms_tree)
	sed 's/\#MODULE_VERSION\#/$(version)/' tools/packaging/dkms.conf \
		>$(dkms_tree)/dkms.conf

deps: ## install on this machine what the build needs (as root)
	@$(vm)/install-host

modules := $(addprefix module-,6.12 7.3 kunit debug kcsan um um-debug)

$(modules): module-%: ## build/module/KERNEL
	@$(vm)/build-module $*

# KERNEL=6.12|7.3|kunit|debug|kcsan|um|um-debug RUN=FILE CPUS=2 MEM=2G TIMEOUT=300
# and what else is said in selftests/vm/run. Exported, since make itself would not.
export KERNEL CPUS MEM TIMEOUT ENV APPEND OUT ICOUNT NICS MODULE
# And of selftests/bench/run, and selftests/vm/check-builds.
export ROWS CLOCK PEERS WORK TOPOLOGY QUICK ALL LOAD SESSIONS REPEATS UPDATE PROFILE

vm: deps tools ## boot KERNEL and run RUN in it; without RUN, a shell
	@$(vm)/run $(RUN)

check: deps ## every test, each on one of the two kernels
	@SPREAD=y selftests/run

check-all: deps ## every test, or TESTS, on both kernels, with all its bytes
	@selftests/run $(TESTS)

check-debug: deps ## every test, on the debug kernel, or KERNEL=um-debug; TESTS="faults teardown": these
	@KERNEL=$(or $(KERNEL),debug) selftests/run $(TESTS)

check-kcsan: deps ## every test, or TESTS, on a kernel that looks for data races
	@KERNEL=kcsan selftests/run $(TESTS)

check-w1 check-sparse: check-%: ## the module under gcc's W=1, and sparse
	@$(vm)/check-module $*

check-builds: deps $(if $(LOAD),tools) ## the module for every kernel that README names; ALL=1, LOAD=1, BUILDS="NAME ..."
	@$(vm)/check-builds $(BUILDS)

fuzz: deps ## MESSAGES=100000 to the netlink family, on the debug kernel
	@KERNEL=$(or $(KERNEL),debug) MESSAGES=$(or $(MESSAGES),100000) \
		LIMIT=$(or $(LIMIT),1200) selftests/run fuzz-netlink

fuzz-sessions: deps ## SESSIONS=100000, random ones under random changes; KERNEL=um-debug
	@KERNEL=$(or $(KERNEL),um) SESSIONS=$(or $(SESSIONS),100000) \
		LIMIT=$(or $(LIMIT),3600) selftests/run session-fuzz

races: deps ## every point of module/fault.h with every event; KERNEL=um-debug
	@KERNEL=$(or $(KERNEL),um) WALK=$(or $(WALK),0) \
		LIMIT=$(or $(LIMIT),1200) selftests/run races

fuzz-parser: ## the parsers of what clients send, in user space (FUZZ_TIME=60 seconds each)
	@selftests/fuzz/run

coverage: deps ## which lines of the module no test reaches
	@KERNEL=um COVERAGE=y SCALE=4 selftests/run; status=$$?; \
		$(vm)/in-root selftests/coverage && exit $$status

soak: deps tools ## everything at once for MINUTES=10
	@ENV="MINUTES=$(or $(MINUTES),10) SEED=$(SEED) PATIENCE=$(or $(PATIENCE),3)" \
		TIMEOUT=$(or $(TIMEOUT),$(shell echo $$((120 * $(or $(MINUTES),10) + 1200)))) \
		$(vm)/run selftests/soak

check-night: deps ## all that .ci/run has no time for: hours
	@selftests/night

demo: deps ## real programs through the proxy, in a virtual machine
	@selftests/demo

bench: ## compare with other proxies; QUICK=1, PEERS= and WORK= for a part; ALL=1; WORK=share: shared cache lines
	@selftests/bench/run bench

bench-gate: ## fail if kproxy costs more than it did; UPDATE=1: it may
	@selftests/bench/run gate

profile: ## the functions that a WORK=bulk-1 of the benchmark costs most, on real caches
	@selftests/bench/profile

lint: ## style
	@selftests/lint

clean: ## what was compiled
	$(MAKE) -C tools clean
	[ ! -e $(KDIR)/Makefile ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	rm -rf build/module build/out build/vm

distclean: clean ## and what was downloaded; the kernels in the cache stay
	rm -rf build

help: ## this
	@sed -nE 's/^([a-z][^:=]*):.*## (.*)/\1\n\t\2/p' $(MAKEFILE_LIST)

.PHONY: all module tools install uninstall deb install-dkms deps \
	$(modules) vm check check-all \
	check-debug check-kcsan check-w1 check-sparse check-builds fuzz fuzz-parser \
	fuzz-sessions races coverage soak check-night demo bench bench-gate \
	profile lint clean distclean help
.DEFAULT_GOAL := all
