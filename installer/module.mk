# The installer: facts, answers, plan, run. The library is everything but main(), so that tests can link it.
LIBS += installer
installer_SRCS := $(wildcard installer/*.c installer/facts/*.c installer/steps/*.c installer/verdict/*.c installer/questions/*.c)
installer_SRCS := $(filter-out installer/main.c,$(installer_SRCS))
installer_LIBS := common
installer_PKGS := libnewt blkid fdisk libcryptsetup libzstd libcrypt

BINS += bulkhead-installer
XEN_BINS += bulkhead-installer
bulkhead-installer_SRCS := installer/main.c
bulkhead-installer_LIBS := installer

TESTS += test-installer
test-installer_SRCS := $(wildcard installer/tests/*.c)
test-installer_LIBS := installer
# tests/test_faults.c
test-installer_LDFLAGS := -Wl$(comma)--wrap=write -Wl$(comma)--wrap=fsync
CHECK_FAST += installer/tests/run-cases installer/tests/covered installer/tests/provision installer/tests/dialogue installer/tests/lab/replay-check

FUZZ += fuzz-iommu-table
fuzz-iommu-table_SRCS := qa/fuzz/iommu-table.c
fuzz-iommu-table_LIBS := common
FUZZ += fuzz-answers
fuzz-answers_SRCS := qa/fuzz/answers.c
fuzz-answers_LIBS := installer
FUZZ += fuzz-record
fuzz-record_SRCS := qa/fuzz/record.c
fuzz-record_LIBS := installer

# What the lab has of its own, and what is measured in it.
BINS += lab-replay
lab-replay_SRCS := installer/tests/lab/replay.c
lab-replay_LIBS := common

.PHONY: lab-installer bench-installer qa-powercut
LAB_ISO ?= out/bulkhead-$(VERSION).iso
lab-installer: all
	installer/tests/lab/all $(LAB_ISO)
# The figures are in lines that begin with "bench: ".
bench-installer: all
	SOURCE_MIB=400 CASES=bench installer/tests/lab/run $(LAB_ISO)
# Minutes for each ten points where everything is emulated.
qa-powercut: POINTS ?= 500
qa-powercut: all
	POINTS=$(POINTS) installer/tests/lab/cut-points $(LAB_ISO)
