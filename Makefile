# Bulkhead. One makefile; every folder adds its programs, libraries and tests in its module.mk:
#
#   LIBS += name            internal static library: name_SRCS, name_LIBS, name_PKGS
#   BINS += name            host program                             -> $(BUILD)/bin/
#   SOCKET_BINS += name     program in the socket flavour of vchan   -> $(BUILD)/socket/bin/
#   XEN_BINS += name        program in the shipped flavour           -> $(BUILD)/xen/bin/
#   XEN_LIBRARIES, SOCKET_LIBRARIES += name.so   shared library beside them, whose rule is in the module.mk
#   TESTS += name           unit test program, run by check-fast     -> $(BUILD)/test/
#   SLOW_TESTS += name      the same, run by a part of make check of its own
#   FUZZ += name            fuzz target (LLVMFuzzerTestOneInput), seeds in qa/fuzz/corpus/name/, run by check-fast
#   CHECK_FAST += script    further suite, run by check-fast as: BUILD=$(BUILD) script
#   name_SRCS, name_LIBS (internal; `vchan` is the flavour's), name_PKGS (pkg-config), name_LDLIBS, name_LDFLAGS, name_CPPFLAGS

VERSION := $(shell cat VERSION)
comma := ,
SAN ?=
STRICT ?=
BUILD ?= build$(if $(SAN),/san)
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
PKG_CONFIG ?= pkg-config
.DEFAULT_GOAL := all

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual \
	-Wformat=2 -Wvla -Wimplicit-fallthrough -Wundef -Wwrite-strings -Wswitch-enum
OPTIMISE := -O2 -g -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
SANITIZE :=
ifneq ($(SAN)$(FUZZING),)
SANITIZE := -fsanitize=address,undefined$(if $(FUZZING),$(comma)fuzzer-no-link) -fno-sanitize-recover=undefined
OPTIMISE := -O1 -g -fno-omit-frame-pointer $(SANITIZE)
endif
ALL_CFLAGS := -std=c17 -fPIE $(OPTIMISE) $(WARNINGS) $(if $(STRICT),-Werror) $(CFLAGS)
# Debug paths must not carry the place of the build into the program.
ALL_CPPFLAGS := -I. -I$(BUILD)/include -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(VERSION)"' -ffile-prefix-map=$(CURDIR)=. $(CPPFLAGS)
ALL_LDFLAGS := -Wl,-z,relro,-z,now -Wl,--as-needed $(SANITIZE) $(LDFLAGS)

LIBS :=
BINS :=
SOCKET_BINS :=
XEN_BINS :=
SOCKET_LIBRARIES :=
XEN_LIBRARIES :=
TESTS :=
SLOW_TESTS :=
FUZZ :=
CHECK_FAST :=

MODULES := $(sort $(wildcard */module.mk */*/module.mk))
include $(MODULES)

# How objects are compiled. -Werror is no part of it: no object differs by it, and `make iso`, then `make check` shall not
# compile everything twice.
FLAGS := $(CC) $(ALL_CPPFLAGS) $(filter-out -Werror,$(ALL_CFLAGS)) $(ALL_LDFLAGS) \
	$(foreach n,$(LIBS) $(BINS) $(SOCKET_BINS) $(XEN_BINS) $(TESTS) $(SLOW_TESTS) $(FUZZ),$($n_CPPFLAGS) $($n_PKGS))

# The libraries of a target, each before those it needs; $2 is the flavour.
expand_libs = $(foreach l,$(patsubst vchan,vchan-$2,$($1_LIBS)),$l $(call expand_libs,$l,$2))
last_of_each = $(if $1,$(call last_of_each,$(filter-out $(lastword $1),$1)) $(lastword $1))
libs_of = $(call last_of_each,$(call expand_libs,$1,$2))
pkgs_of = $(sort $($1_PKGS) $(foreach l,$(call libs_of,$1,$2),$($l_PKGS)))
ldlibs_of = $(foreach l,$(call libs_of,$1,$2),$($l_LDLIBS)) $($1_LDLIBS)
objs_of = $(patsubst %.c,$(BUILD)/obj/%.o,$($1_SRCS))

define library
$(BUILD)/lib/lib$1.a: $(call objs_of,$1) $(MODULES)
$(call objs_of,$1): PKGS += $($1_PKGS)
$(call objs_of,$1): EXTRA_CPPFLAGS += $($1_CPPFLAGS)
endef

# $1 name, $2 folder below $(BUILD), $3 flavour, $4 further libraries
define program
$(BUILD)/$2/$1: $(call objs_of,$1) $(patsubst %,$(BUILD)/lib/lib%.a,$(call libs_of,$1,$3) $4) $(MODULES)
	@mkdir -p $$(@D)
	$$(LINK) $$(if $$(filter -static,$($1_LDFLAGS)),,-pie) $$(ALL_LDFLAGS) $($1_LDFLAGS) -o $$@ $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group \
		$(if $(call pkgs_of,$1,$3),$$$$($(PKG_CONFIG) $(if $(filter -static,$($1_LDFLAGS)),--static) --libs $(call pkgs_of,$1,$3))) $(call ldlibs_of,$1,$3)
$(call objs_of,$1): PKGS += $(call pkgs_of,$1,$3)
$(call objs_of,$1): EXTRA_CPPFLAGS += $($1_CPPFLAGS)
endef

Q := $(if $(V),,@)
LINK = $(Q)$(if $(V),,echo "  LD    $@";) $(CC)
$(foreach l,$(LIBS),$(eval $(call library,$l)))
$(foreach b,$(BINS),$(eval $(call program,$b,bin,socket)))
$(foreach b,$(SOCKET_BINS),$(eval $(call program,$b,socket/bin,socket)))
$(foreach b,$(XEN_BINS),$(eval $(call program,$b,xen/bin,xen)))
$(foreach b,$(TESTS) $(SLOW_TESTS),$(eval $(call program,$b,test,socket,common-test)))
# A fuzz target without a fuzzer gets main() from replay.c.
$(foreach b,$(FUZZ),$(eval $(if $(FUZZING),$b_LDFLAGS += -fsanitize=fuzzer,$b_SRCS += qa/fuzz/replay.c)))
$(foreach b,$(FUZZ),$(eval $(call program,$b,$(if $(FUZZING),fuzz,replay),socket)))

# Xen's headers lie where all do, and a host that does not make the Xen flavour has no packages of it.
$(BUILD)/obj/%.o: %.c Makefile $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)$(if $(V),,echo "  CC    $<";) $(CC) $(ALL_CPPFLAGS) $(EXTRA_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP \
		$(if $(filter-out xen%,$(PKGS)),$$($(PKG_CONFIG) --cflags $(filter-out xen%,$(sort $(PKGS))))) -c -o $@ $<

$(BUILD)/lib/%.a:
	@mkdir -p $(@D)
	$(Q)$(if $(V),,echo "  AR    $@";) rm -f $@; ar rcsD $@ $(filter %.o,$^)

ifneq ($(strip $(FLAGS)),$(strip $(file <$(BUILD)/flags)))
$(BUILD)/flags: FORCE
endif
$(BUILD)/flags: export WRITTEN := $(FLAGS)
$(BUILD)/flags:
	@mkdir -p $(@D)
	@printf '%s\n' "$$WRITTEN" >$@

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all socket xen man tests bench bench-builder bench-salt repro deps deps-quietly iso gc check check-fast repro-all fuzz fuzz-programs images qa clean FORCE
.DELETE_ON_ERROR:
# Several of our targets run the builder, which has its own --jobs.
all: $(addprefix $(BUILD)/bin/,$(BINS))
socket: $(addprefix $(BUILD)/socket/bin/,$(SOCKET_BINS) $(SOCKET_LIBRARIES))
xen: $(addprefix $(BUILD)/xen/bin/,$(XEN_BINS) $(XEN_LIBRARIES))
# The pages of the tools of qvm are made from what these say themselves.
PAGES := $(patsubst docs/man/%.scd,$(BUILD)/man/%.gz,$(wildcard docs/man/*.scd))
man: $(PAGES) $(BUILD)/man/qvm
$(BUILD)/man/%.gz: docs/man/%.scd
	@mkdir -p $(@D)
	$(Q)scdoc <$< >$(@:.gz=) && gzip -9nf $(@:.gz=)
$(BUILD)/man/qvm: $(BUILD)/xen/bin/qvm docs/man/qvm-pages
	$(Q)rm -rf $@ && docs/man/qvm-pages $< $@
	$(Q)cd $@ && for page in *.scd; do scdoc <$$page >../$${page%.scd} && gzip -9nf ../$${page%.scd} || exit; done
tests: $(addprefix $(BUILD)/test/,$(TESTS) $(SLOW_TESTS)) $(addprefix $(BUILD)/replay/,$(FUZZ))

deps:
	@common/deps/install
deps-quietly:
	@common/deps/install --if-allowed

# The images, each from its lock or, where packages have left the mirrors, from a new one kept in out/. With KEY=NAME.sec
# (`bulkhead key NAME`) the list of digests is signed. What the medium consists of is printed at the end.
KEY ?=
iso: deps-quietly
	+@$(MAKE) --no-print-directory all
	$(BUILD)/bin/bulkhead build iso --relock $(if $(KEY),--key $(KEY)) -o out
	$(BUILD)/bin/bulkhead verify $(if $(KEY),--key $(KEY:.sec=.pub)) out/bulkhead-$(VERSION).iso

# Results in the store that newer ones replaced.
gc: $(BUILD)/bin/bulkhead
	$< gc --unused

# Suites of seconds; BUILD is told to them so that a sanitizer build is tested with its own programs.
check-fast: all socket tests
	@BUILD=$(BUILD) common/tests/run-suites $(addprefix $(BUILD)/test/,$(TESTS)) $(addprefix $(BUILD)/replay/,$(FUZZ)) $(CHECK_FAST)

# Both ways of unpacking, for every image: equal roots.
repro-all: all
	BUILD=$(BUILD) builder/tests/repro-all $(IMAGE)

# A second build by somebody else (builder/tests/repro says how it differs), the clock DAYS ahead.
repro: all tests
	BUILD=$(BUILD) DAYS=$(or $(DAYS),400) builder/tests/repro $(IMAGE)

check:
	@common/tests/check

FUZZ_SECONDS ?= 10
fuzz:
	@common/deps/install --if-allowed fuzz.packages
	+@$(MAKE) --no-print-directory CC=clang FUZZING=1 BUILD=$(BUILD)/fuzz fuzz-programs
	@qa/fuzz/run $(FUZZ_SECONDS) $(addprefix $(BUILD)/fuzz/fuzz/,$(FUZZ))
fuzz-programs: $(addprefix $(BUILD)/fuzz/,$(FUZZ))

# Every figure, one part after the other, because they would disturb each other.
bench:
	+@for part in builder salt runtime installer; do $(MAKE) --no-print-directory bench-$$part || exit; done

# What a build costs beside mmdebstrap's, and what it writes when nothing has changed.
bench-builder: all
	@BUILD=$(BUILD) builder/tests/bench

# Its figures beside Ansible's (if that is installed) and a plain hash's.
bench-salt: all socket
	@BUILD=$(BUILD) salt-lite/tests/bench

# What scenarios boot directly, without medium and installation.
DIRECT := dom0 vm-kernel debian-13-minimal
images: all
	for image in $(DIRECT); do $(BUILD)/bin/bulkhead build $$image --relock -o out/images || exit; done

qa: deps-quietly
	+@$(MAKE) --no-print-directory iso images
	qa/run --all --out out/qa

clean:
	rm -rf build
