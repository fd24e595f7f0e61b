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
CHECK_FAST += installer/tests/run-cases installer/tests/dialogue

FUZZ += fuzz-iommu-table
fuzz-iommu-table_SRCS := qa/fuzz/iommu-table.c
fuzz-iommu-table_LIBS := common
FUZZ += fuzz-answers
fuzz-answers_SRCS := qa/fuzz/answers.c
fuzz-answers_LIBS := installer
FUZZ += fuzz-record
fuzz-record_SRCS := qa/fuzz/record.c
fuzz-record_LIBS := installer
