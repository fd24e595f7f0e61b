# Files between qubes: the two ends of the stream, and the tools around them.
LIBS += filecopy
filecopy_SRCS := $(addprefix runtime/filecopy/,names.c receive.c send.c result.c progress.c tree.c)
filecopy_LIBS := common-min
filecopy_PKGS := zlib

filecopy_programs := qfile-agent qfile-unpacker qvm-copy qvm-copy-dom0 qubes-fs-tree-check qvm-open-in-vm vm-file-editor \
	qvm-run-vm open-url tar2qfile
SOCKET_BINS += $(filecopy_programs)
XEN_BINS += $(filecopy_programs)

qfile-agent_SRCS := runtime/filecopy/qfile_agent.c common/ui/options.c
qfile-agent_LIBS := filecopy common-min

tar2qfile_SRCS := runtime/filecopy/tar2qfile.c common/ui/options.c
tar2qfile_LIBS := filecopy common-min
tar2qfile_PKGS := libarchive

qvm-copy_SRCS := $(addprefix runtime/filecopy/,qvm_copy.c call.c call_qube.c) common/ui/options.c
qvm-copy_LIBS := filecopy common-min
qvm-copy-dom0_SRCS := $(addprefix runtime/filecopy/,qvm_copy.c call.c call_dom0.c) common/ui/options.c
qvm-copy-dom0_LIBS := filecopy common-min
qvm-open-in-vm_SRCS := $(addprefix runtime/filecopy/,qvm_open_in_vm.c call.c call_qube.c) common/ui/options.c
qvm-open-in-vm_LIBS := common-min
vm-file-editor_SRCS := runtime/filecopy/vm_file_editor.c common/ui/options.c
vm-file-editor_LIBS := filecopy common-min
open-url_SRCS := runtime/filecopy/open_url.c common/ui/options.c
open-url_LIBS := common-min
qvm-run-vm_SRCS := runtime/filecopy/qvm_run_vm.c common/ui/options.c
qvm-run-vm_LIBS := common-min
qubes-fs-tree-check_SRCS := runtime/filecopy/fs_tree_check.c common/ui/options.c
qubes-fs-tree-check_LIBS := filecopy common-min

qfile-unpacker_SRCS := $(addprefix runtime/filecopy/,qfile_unpacker.c jail.c) common/ui/options.c
qfile-unpacker_LIBS := filecopy common-min
qfile-unpacker_PKGS := libseccomp

# For the suite only.
SOCKET_BINS += filecopy-peer
filecopy-peer_SRCS := runtime/filecopy/tests/peer.c
filecopy-peer_LIBS := common-min
filecopy-peer_PKGS := zlib

CHECK_FAST += runtime/filecopy/tests/run

TESTS += test-filecopy
test-filecopy_SRCS := runtime/filecopy/tests/test_names.c
test-filecopy_LIBS := filecopy common-min

.PHONY: bench-filecopy
bench-filecopy: socket
	@BUILD=$(BUILD) runtime/filecopy/tests/bench

FUZZ += fuzz-filecopy
fuzz-filecopy_SRCS := qa/fuzz/filecopy.c
fuzz-filecopy_LIBS := filecopy
