# SPDX-License-Identifier: GPL-2.0-or-later
#
# natbridge. "make help" lists the targets. Sources are found by wildcard: a new file in a folder of lib/, in plugin/, cli/,
# test/unit/ or test/bpf/ needs no change here. Everything that is made lands in build/.

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
CLANG   ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PREFIX  ?= /usr/local
CNI_BIN_DIR ?= /opt/cni/bin
MAN_DIR ?= $(PREFIX)/share/man
SYSTEMD_DIR ?= $(PREFIX)/lib/systemd/system
DOC_DIR ?= $(PREFIX)/share/doc/natbridge
# Where bash-completion and zsh look. Debian's packages for zsh go to /usr/share/zsh/vendor-completions.
BASH_COMPLETION_DIR ?= $(PREFIX)/share/bash-completion/completions
ZSH_COMPLETION_DIR ?= $(PREFIX)/share/zsh/site-functions
# Where deps puts cnitool and the reference plugins, which only the demo, the tests and the bench use.
TEST_BIN_DIR ?= /opt/natbridge-test/bin

define newline


endef
tab := $(shell printf '\t')
$(foreach c,newline tab,$(if $(findstring $($c),$(CURDIR)),$(error the path of this folder contains a $(c))))

B := build
# bpftool lives where an ordinary user's PATH does not lead.
export PATH := $(PATH):/usr/sbin:/sbin
export TEST_BIN_DIR

Q := $(if $(filter 1,$(V)),,@)
# For a shell: one word, whatever is in it.
quoted = '$(subst ','\'',$(1))'
upper = $(shell echo $(1) | tr a-z A-Z)
say = $(if $(Q),@printf '  %-8s %s\n' $(1) $(patsubst $(B)/%,%,$(2)))

PACKAGES := libbpf libmnl libcjson libnftables libmd yaml-0.1
# Asked once, and not before a recipe needs it: "make help" and "make deps" work without pkg-config.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PACKAGES)))$(PKG_LIBS)
# Only what is made of agent/ is linked with these.
AGENT_PACKAGES := libcurl libmicrohttpd
AGENT_LIBS = $(eval AGENT_LIBS := $$(shell $(PKG_CONFIG) --libs $(AGENT_PACKAGES)))$(AGENT_LIBS)
CMOCKA_LIBS = $(eval CMOCKA_LIBS := $$(shell $(PKG_CONFIG) --libs cmocka))$(CMOCKA_LIBS)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla
HARDENING := -fPIE -fstack-protector-strong -fstack-clash-protection
# The directory of the build does not show in what is built. The shell of the recipe knows it, and quotes it.
NO_PATHS := -ffile-prefix-map="$$PWD"=.
CPPFLAGS += -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -Iinclude -I$(B) -I.
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu11 $(WARNINGS) $(HARDENING) $(NO_PATHS)
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed
# Whether loads and stores need barriers: not on x86.
WEAKLY_ORDERED := $(if $(filter x86_64 i%86,$(shell uname -m)),0,1)
# As the kernel is compiled: headers are read and written in words, whatever their fields are.
BPF_CFLAGS := -O2 -g -std=gnu11 -fno-strict-aliasing -target bpf -mcpu=v3 -Wall -Wextra -Werror $(NO_PATHS) -DNB_WEAKLY_ORDERED=$(WEAKLY_ORDERED) -Iinclude -I. \
	-I/usr/include/$(shell uname -m)-linux-gnu

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))
LIB_OBJ    := $(call objects,$(wildcard lib/*/*.c))
PLUGIN_OBJ := $(call objects,$(wildcard plugin/*.c))
CLI_OBJ    := $(call objects,$(wildcard cli/*.c cli/*/*.c))
AGENT_OBJ  := $(call objects,$(wildcard agent/*.c))
UNIT_SRC   := $(wildcard test/unit/test_*.c)
UNIT_BIN   := $(patsubst test/unit/%.c,$(B)/test/unit/%,$(UNIT_SRC))
UNIT_HELP  := $(call objects,$(filter-out $(UNIT_SRC),$(wildcard test/unit/*.c)))
BPF_TEST   := $(call objects,$(wildcard test/bpf/*.c))
BPF_TEST_BIN := $(if $(BPF_TEST),$(B)/test/bpf)
# Programs of one file each that the scenarios and the bench run: test/netns/tool.c -> build/test/netns/tool
# The storm of test/netns/storm.bats is one program of several files.
STORM      := $(call objects,$(wildcard test/storm/*.c))
TOOL_BIN   := $(B)/test/storm $(patsubst test/%.c,$(B)/test/%,$(wildcard test/netns/*.c test/bench/*.c test/prove/*.c))
# The programs of the suite test/agent.
AGENT_TEST := $(patsubst test/%.c,$(B)/test/%,$(wildcard test/agent/*.c))
# Programs of one scenario file each, with the engine: test/interleave/scenarios/X.c -> build/test/interleave/X
INTERLEAVE_BIN := $(patsubst test/interleave/scenarios/%.c,$(B)/test/interleave/%,$(wildcard test/interleave/scenarios/*.c))
INTERLEAVE_CODE := $(call objects,$(wildcard test/interleave/scenarios/*.c test/interleave/code/*.c))
INTERLEAVE_OBJ := $(call objects,$(wildcard test/interleave/*.c) test/hosted/hosted.c)
BROKEN_BIN := $(patsubst test/interleave/broken/%.sed,$(B)/test/interleave/broken/%,$(wildcard test/interleave/broken/*.sed))
# What test/prove proves something of; in X_folds the folds of checksums are calls.
PROVE_OBJ  := $(patsubst test/prove/bpf/%.bpf.c,$(B)/obj/prove/%.o,$(wildcard test/prove/bpf/*.bpf.c)) $(B)/obj/prove/ebpf_folds.o $(B)/obj/prove/assist_folds.o
PROGRAMS   := $(B)/natbridge $(B)/natbridgectl $(B)/natbridge-agent
# For nodes without the libraries: these look for them beside themselves first, as for all that the libraries need.
PORTABLE   := $(B)/portable/natbridge $(B)/portable/natbridgectl

.PHONY: all deps demo test test-unit test-agent test-interleave test-prove prove test-bpf test-netns test-runtimes test-apiserver test-differential test-parity test-sanitize test-unit-bpf test-programs test-kernels test-kubernetes bench bench-check bench-count bench-agent bench-agent-check \
	fuzz lint format compile_commands.json install uninstall deb image clean help tools

all: $(PROGRAMS) ## build build/natbridge, build/natbridgectl and build/natbridge-agent (no root, no network)

$(B)/natbridge $(B)/portable/natbridge: $(PLUGIN_OBJ) $(B)/libnatbridge.a
$(B)/natbridgectl $(B)/portable/natbridgectl: $(CLI_OBJ) $(B)/libnatbridge.a
$(B)/natbridge-agent: $(AGENT_OBJ) $(B)/libnatbridge.a
$(B)/natbridge-agent: MORE_LIBS = $(AGENT_LIBS)
$(PORTABLE): MORE_LIBS = -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/natbridge-lib'
# Put in place whole, since a test or a runtime may be executing the old one.
$(PROGRAMS) $(PORTABLE):
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@.new $^ $(PKG_LIBS) $(MORE_LIBS) && mv $@.new $@

# Completion scripts, which natbridgectl prints itself.
COMPLETIONS := $(B)/completion.bash $(B)/completion.zsh
$(COMPLETIONS): $(B)/completion.%: $(B)/natbridgectl
	$(call say,GEN,$@)
	$(Q)$(B)/natbridgectl completion $* > $@

# Archives, so that a program or a test holds only what it uses.
$(B)/libnatbridge.a: $(LIB_OBJ)
$(B)/test/libplugin.a: $(filter-out %/main.o,$(PLUGIN_OBJ))
$(B)/test/libcli.a: $(filter-out %/main.o,$(CLI_OBJ))
$(B)/test/libagent.a: $(filter-out %/main.o,$(AGENT_OBJ))
$(B)/libnatbridge.a $(B)/test/libplugin.a $(B)/test/libcli.a $(B)/test/libagent.a:
	$(call say,AR,$@)
	@mkdir -p $(@D) && rm -f $@
	$(Q)ar rcs $@ $^

$(B)/obj/%.o: %.c | tools
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The eBPF programs: object -> linked without DWARF -> skeleton, which carries the object inside lib/datapath/load.o,
# and the hash that tells one build of it from another.
$(B)/obj/bpf/%.bpf.o: bpf/%.bpf.c | tools
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/%.bpf.o: $(B)/obj/bpf/%.bpf.o
	$(call say,BPFLINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $<

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@
	$(Q)sha256sum $< | awk '{ print "#define $(call upper,$*)_BPF_BUILD \"" substr($$1, 1, 16) "\"" }' >> $@

SKELETONS := $(B)/natbridge.skel.h $(B)/assist.skel.h $(B)/handover.skel.h $(B)/node.skel.h $(B)/qdisc.skel.h

$(B)/obj/lib/datapath/load.o: $(SKELETONS)

# Tests
$(UNIT_BIN): $(B)/test/unit/%: $(B)/obj/test/unit/%.o $(UNIT_HELP) $(B)/test/libplugin.a $(B)/test/libcli.a $(B)/test/libagent.a $(B)/libnatbridge.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(AGENT_LIBS) $(CMOCKA_LIBS)

$(B)/test/bpf: $(BPF_TEST) $(B)/libnatbridge.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(CMOCKA_LIBS)

# Scenarios of the engine in test/interleave: clang calls it before each access to memory, as if it were the runtime of the
# thread sanitizer. No access is left out, merged with the next or made by vector registers; copies are calls of the engine.
INTERLEAVE_CFLAGS := -O2 -g -std=gnu11 -fno-strict-aliasing -fsanitize=thread -mllvm -tsan-instrument-func-entry-exit=0 \
	-mllvm -tsan-instrument-read-before-write=1 -fno-vectorize -fno-slp-vectorize -mno-implicit-float \
	-Wall -Wextra -Werror -Wno-unused-function $(NO_PATHS) -D_GNU_SOURCE -DNB_WEAKLY_ORDERED=1
INTERLEAVE_CALLS := $(foreach f,memcpy memmove memset memcmp,--redefine-sym $(f)=il_$(f))
# interleave_compile DIR,SOURCE,OBJECT[,FLAGS]: with the sources in DIR.
define interleave_compile
$(Q)$(CLANG) $(INTERLEAVE_CFLAGS) $(4) -I$(1)/test/hosted -I$(1)/include -I$(1) -MMD -MP -c -o $(3) $(2)
$(Q)objcopy $(INTERLEAVE_CALLS) $(3)
endef
interleave_link = $(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(1) $(INTERLEAVE_OBJ) $(B)/libnatbridge.a $(PKG_LIBS)

$(INTERLEAVE_CODE): $(B)/obj/test/interleave/%.o: test/interleave/%.c | tools
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(call interleave_compile,.,$<,$@)

$(INTERLEAVE_BIN): $(B)/test/interleave/%: $(B)/obj/test/interleave/scenarios/%.o $(B)/obj/test/interleave/code/user.o $(INTERLEAVE_OBJ) $(B)/libnatbridge.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(call interleave_link,$(wordlist 1,2,$^))

# The same with a protocol that is broken on purpose. Its name is in the line "# run: PROGRAM ..." of the sed script.
$(BROKEN_BIN): $(B)/test/interleave/broken/%: test/interleave/broken/%.sed test/interleave/broken/build $(INTERLEAVE_BIN)
	$(call say,BROKEN,$@)
	$(Q)test/interleave/broken/build $< $@.src
	$(call interleave_compile,$@.src,$@.src/test/interleave/scenarios/$$(sed -n 's/^# run: \([a-z_]*\).*/\1/p' $<).c,$@.o,-w)
	$(call interleave_compile,$@.src,$@.src/test/interleave/code/user.c,$@.user.o,-w)
	$(call interleave_link,$@.o $@.user.o)

$(B)/test/storm: $(STORM)
$(filter-out $(B)/test/storm,$(TOOL_BIN)): $(B)/test/%: $(B)/obj/test/%.o $(B)/libnatbridge.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(B)/test/storm:
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(AGENT_TEST): $(B)/test/%: $(B)/obj/test/%.o $(B)/test/libagent.a $(B)/libnatbridge.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) $(AGENT_LIBS)

PROVE_COMPILER := $(CLANG) $(BPF_CFLAGS) -Itest/prove/bpf/include
$(B)/obj/prove/%.o: test/prove/bpf/%.bpf.c | tools
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(PROVE_COMPILER) -MMD -MP -c -o $@ $<

$(B)/obj/prove/%_folds.o: test/prove/bpf/%.bpf.c | tools
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(PROVE_COMPILER) -DFOLD_CALLS -MMD -MP -c -o $@ $<

# For test/prove/mutations.py, which compiles changed sources.
$(B)/obj/prove/compiler: Makefile
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(PROVE_COMPILER)) > $@

PROVE := $(PROVE_OBJ) $(B)/obj/prove/compiler $(B)/test/prove/run_vectors

# Other versions of natbridge, which the scenarios of an upgrade install: test/upgrade/build says how they differ.
OTHERS := $(B)/other/next/natbridge $(B)/other/layout/natbridge
$(OTHERS): $(B)/other/%/natbridge: test/upgrade/build $(PROGRAMS)
	$(call say,OTHER,$@)
	+$(Q)test/upgrade/build $* $(B) $(@D) $(MAKE)

# The same as an image, for a rolling update in test/kubernetes.
OTHER_IMAGE := $(B)/other/image/image.tar
$(OTHER_IMAGE): test/upgrade/build scripts/image.sh scripts/image-archive.bash $(PROGRAMS)
	$(call say,OTHER,$@)
	+$(Q)test/upgrade/build layout $(B) $(@D) $(MAKE) image

test-programs: all $(UNIT_BIN) $(INTERLEAVE_BIN) $(BROKEN_BIN) $(PROVE) $(BPF_TEST_BIN) $(TOOL_BIN) $(AGENT_TEST) $(OTHERS) ## build everything that the tests run, and run nothing

test: test-programs ## install what is missing, build, and run every test that this machine can run (root)
	@scripts/run-tests.sh unit agent interleave prove bpf netns runtimes kubernetes differential parity

test-unit: $(UNIT_BIN) ## unit tests only (no root)
	@scripts/run-tests.sh unit

test-agent: $(AGENT_TEST) ## faults of an API server, clients of the agent's web server, and what the agent makes of them (no root)
	@scripts/run-tests.sh agent

test-interleave: $(INTERLEAVE_BIN) $(BROKEN_BIN) ## all interleavings of a few CPUs in the code of the connection table (no root)
	@scripts/run-tests.sh interleave

test-prove: all $(PROVE) ## the arithmetic of the datapath, proven for all inputs (root for its comparison with the kernel)
	@scripts/run-tests.sh prove

test-bpf: $(BPF_TEST_BIN) ## packet tests of the eBPF programs only (root)
	@scripts/run-tests.sh bpf

test-netns: all $(TOOL_BIN) $(OTHERS) ## scenarios in network namespaces only (root); T="file.bats ..." picks some
	@scripts/run-tests.sh netns

test-runtimes: all $(TOOL_BIN) ## containers of containerd, CRI, podman and cnitool only (root); T="file.bats ..." picks some
	@scripts/run-tests.sh runtimes

test-apiserver: all ## a real etcd and kube-apiserver only, if test/kubernetes/build has made them (root)
	@scripts/run-tests.sh kubernetes

test-differential: all $(TOOL_BIN) ## packet scripts, replayed against br_netfilter and natbridge; Services of a kube-proxy and of natbridge (root)
	@scripts/run-tests.sh differential

test-parity: all $(TOOL_BIN) ## network configs, given to the reference bridge plugin and to natbridge (root)
	@scripts/run-tests.sh parity

# gcc's sanitizers and glibc's own checks do not go together: the latter are off. Leaks count as errors.
SANITIZE := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -U_FORTIFY_SOURCE

test-sanitize: ## unit, agent and packet tests once more, with ASan and UBSan in all that runs in userspace (root); built in build/sanitize
	+$(Q)$(MAKE) B=$(B)/sanitize CFLAGS='$(SANITIZE)' test-unit-bpf

test-unit-bpf: $(UNIT_BIN) $(AGENT_TEST) $(BPF_TEST_BIN)
	@BUILD=$(B) scripts/run-tests.sh unit agent bpf

test-kernels: test-programs ## load, packet tests and scenarios under other kernels, in qemu (root, half an hour); KERNELS="5.10 6.1 6.12"
	@KERNELS="$(KERNELS)" test/kernels/run

test-kubernetes: all image $(OTHER_IMAGE) ## a Kubernetes cluster built from Go modules: scenarios and Kubernetes' own tests (root, three quarters of an hour a configuration); CONFIGURATIONS="..."
	@test/kubernetes/run $(CONFIGURATIONS)

prove: test-programs ## the proofs of the connection table and of the arithmetic in their long forms, PROVE_SECONDS (600) for each storm (root, 95 minutes)
	@BUILD=$(B) scripts/prove.sh

demo: all $(B)/test/netns/tool $(B)/test/netns/attached ## install what is missing, build, and show the main job in network namespaces (root)
	@examples/demo.sh

# libFuzzer comes with clang. Each test/fuzz/fuzz_X.c starts from the files in test/fuzz/X/.
FUZZ_SECONDS ?= 60
FUZZ_PACKETS ?= 5000000
FUZZ_BIN := $(patsubst test/%.c,$(B)/test/%,$(wildcard test/fuzz/fuzz_*.c))
FUZZ_CODE := $(filter-out plugin/main.c,$(wildcard plugin/*.c)) $(wildcard lib/*/*.c agent/status.c agent/watch_event.c agent/kubeconfig.c agent/base64.c agent/file.c agent/server.c agent/config.c agent/convert.c agent/document.c)

fuzz: $(FUZZ_BIN) $(BPF_TEST_BIN) ## mutated input for the parsers, FUZZ_SECONDS (60) each, and FUZZ_PACKETS (5000000) for the programs (root)
	$(Q)for f in $(FUZZ_BIN); do mkdir -p $$f.corpus; $$f -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$$f. \
		$$f.corpus test/fuzz/$${f##*/fuzz_} || exit 1; done
	$(Q)NB_SEED=$${NB_SEED:-$$(date +%s)} NB_PACKETS=$(FUZZ_PACKETS) $(BPF_TEST_BIN) mutated

$(FUZZ_BIN): $(B)/test/fuzz/%: test/fuzz/%.c $(FUZZ_CODE) $(SKELETONS)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) $(PKG_CFLAGS) -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -o $@ $< $(FUZZ_CODE) $(PKG_LIBS) $(AGENT_LIBS)

bench: all $(TOOL_BIN) ## side-by-side figures, as ratios, with tables and plots in build/bench (root, ten minutes)
	@scripts/bench.sh all

bench-check: all $(TOOL_BIN) ## a short form of bench: fails if a ratio is under its floor in test/bench/targets.txt (root, two minutes)
	@scripts/bench.sh check

bench-count: all $(TOOL_BIN) ## what each path takes in instructions, which do not scatter: in qemu, under Linux 6.12 (root, four minutes)
	@INSTRUCTIONS=1 test/kernels/run -m 900 6.12 -- scripts/bench.sh count

bench-agent: all ## CPU and memory of natbridge-agent beside kube-proxy's, at a real API server (root, a quarter of an hour)
	@BUILD=$(B) test/bench-agent/run all

bench-agent-check: all ## the same: fails if the agent is not ten times cheaper
	@BUILD=$(B) test/bench-agent/run check

# Sets of scripts/deps.sh that a goal installs before anything is built.
SETS_deps         := build demo test lint fuzz
SETS_demo         := build demo
SETS_test         := build test
SETS_prove        := build test
SETS_test-kernels := build test kernels
SETS_test-kubernetes := build kubernetes
SETS_bench        := build bench
SETS_bench-check  := build bench
SETS_bench-count  := build bench kernels
SETS_bench-agent  := build kubernetes
SETS_bench-agent-check := build kubernetes
SETS := $(sort $(foreach g,$(MAKECMDGOALS),$(SETS_$(g))))

# Tools and libraries of the build; with one of these goals they are installed first.
tools:
	@for t in $(CC) $(CLANG) $(BPFTOOL) $(PKG_CONFIG) ar; do \
		command -v $$t >/dev/null || { echo "make: $$t is missing; run: sudo make deps" >&2; exit 1; }; done
	@for p in $(PACKAGES) $(AGENT_PACKAGES); do \
		$(PKG_CONFIG) --exists $$p || { echo "make: the library $$p is missing; run: sudo make deps" >&2; exit 1; }; done
ifneq ($(SETS),)
tools: deps
endif

deps: ## install what building, demo, tests and lint need (Debian 12; root, if anything is missing)
	@scripts/deps.sh $(SETS)

# Checks
C_FILES := $(wildcard lib/*/*.[ch] plugin/*.[ch] cli/*.[ch] cli/*/*.[ch] agent/*.[ch] bpf/*.c bpf/*/*.h include/natbridge/*.h test/*/*.[ch])

lint: all ## formatting, clang-tidy, shellcheck, arrows between folders, headers alone, gcc and clang warnings, licence lines
	@CC='$(CC)' CLANG='$(CLANG)' CPPFLAGS='$(CPPFLAGS) $(PKG_CFLAGS)' CFLAGS='$(CFLAGS)' BPF_CFLAGS='$(BPF_CFLAGS)' scripts/lint.sh

format: ## clang-format all C files in place
	$(Q)clang-format -i $(C_FILES) $(wildcard test/hosted/bpf/*.h test/interleave/*/*.[ch] test/prove/bpf/*.[ch])

C_SOURCES := $(filter-out bpf/%,$(filter %.c,$(C_FILES)))
editor_flags = $(filter-out $(NO_PATHS),$(1))
compile_commands.json: ## for editors and clang-tidy
	$(Q)dir=$$(pwd | sed 's/[\\"]/\\&/g'); \
	entry() { printf '%s\n{"directory":"%s","file":"%s","command":"%s -c %s"}' "$$sep" "$$dir" "$$1" "$$2" "$$1"; sep=,; }; \
	{ printf '['; sep=; \
	for f in $(C_SOURCES); do entry "$$f" "$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(call editor_flags,$(CFLAGS))"; done; \
	for f in $(wildcard bpf/*.bpf.c); do entry "$$f" "$(CLANG) $(call editor_flags,$(BPF_CFLAGS))"; done; \
	printf ']\n'; } > $@

# Each page goes to the section that its name ends with.
MAN_PAGES := $(wildcard doc/man/*.[58])
man_target = $(MAN_DIR)/man$(subst .,,$(suffix $(1)))/$(notdir $(1))
UNIT := packaging/systemd/natbridge-agent.service
# README.md leads to the others by these paths. The demo runs in the sources only.
DOCS := LICENSE $(wildcard *.md doc/*.md LICENSES/*) $(filter-out %.sh,$(wildcard examples/*)) $(wildcard packaging/kubernetes/* packaging/prometheus/*)
DOC_DIRS := LICENSES doc examples packaging/kubernetes packaging/prometheus packaging
# Where install puts a file: below $(DESTDIR).
below = $(call quoted,$(DESTDIR)$(1))

# The plugin is put in place whole: a runtime may be about to call it.
install: all $(COMPLETIONS) ## install programs, unit, manual pages, completion scripts, documents and examples below $(DESTDIR)
	install -D -m 0755 $(B)/natbridge $(call below,$(CNI_BIN_DIR)/natbridge.new)
	mv $(call below,$(CNI_BIN_DIR)/natbridge.new) $(call below,$(CNI_BIN_DIR)/natbridge)
	install -D -m 0755 $(B)/natbridgectl $(call below,$(PREFIX)/bin/natbridgectl)
	install -D -m 0755 $(B)/natbridge-agent $(call below,$(PREFIX)/sbin/natbridge-agent)
	install -D -m 0644 $(UNIT) $(call below,$(SYSTEMD_DIR)/$(notdir $(UNIT)))
	sed -i $(call quoted,s|/usr/\(s*bin\)/natbridge|$(PREFIX)/\1/natbridge|) $(call below,$(SYSTEMD_DIR)/$(notdir $(UNIT)))
	$(foreach m,$(MAN_PAGES),install -D -m 0644 $(m) $(call below,$(call man_target,$(m)))$(newline))
	install -D -m 0644 $(B)/completion.bash $(call below,$(BASH_COMPLETION_DIR)/natbridgectl)
	install -D -m 0644 $(B)/completion.zsh $(call below,$(ZSH_COMPLETION_DIR)/_natbridgectl)
	for f in $(DOCS); do install -D -m 0644 $$f $(call below,$(DOC_DIR))/$$f || exit 1; done

uninstall: ## remove what install put there
	rm -f $(call below,$(CNI_BIN_DIR)/natbridge) $(call below,$(PREFIX)/bin/natbridgectl)
	rm -f $(call below,$(PREFIX)/sbin/natbridge-agent) $(call below,$(SYSTEMD_DIR)/$(notdir $(UNIT)))
	rm -f $(foreach m,$(MAN_PAGES),$(call below,$(call man_target,$(m))))
	rm -f $(call below,$(BASH_COMPLETION_DIR)/natbridgectl) $(call below,$(ZSH_COMPLETION_DIR)/_natbridgectl)
	for f in $(DOCS); do rm -f $(call below,$(DOC_DIR))/$$f || exit 1; done
	for d in $(addprefix /,$(DOC_DIRS)) /; do \
		[ ! -d $(call below,$(DOC_DIR))$$d ] || rmdir --ignore-fail-on-non-empty $(call below,$(DOC_DIR))$$d; done

deb: all ## make the Debian package build/natbridge_VERSION_ARCH.deb (no root)
	@scripts/deb.sh

image: all $(PORTABLE) ## make the container image build/natbridge_VERSION_ARCH.image.tar with the tag IMAGE (no root)
	@IMAGE=$(call quoted,$(IMAGE)) scripts/image.sh

clean: ## remove build/ and compile_commands.json
	rm -rf $(B) compile_commands.json

help: ## this list
	@awk -F':.*## ' '/^[a-z][a-z_.-]*:.*## / { printf "  %-22s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\n  V=1 shows the commands; CC, CLANG, CFLAGS, PREFIX, DESTDIR, CNI_BIN_DIR, MAN_DIR, DOC_DIR,\n  SYSTEMD_DIR, BASH_COMPLETION_DIR, ZSH_COMPLETION_DIR and IMAGE can be set.\n'

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
