# QubesDB: daemon, client library, command line tools. The daemon's engine has no transport: tests and fuzz use it as it is.
LIBS += qubesdb-engine qubesdb-client
qubesdb-engine_SRCS := $(addprefix runtime/qubesdb/,engine.c store.c protocol.c)
qubesdb-engine_LIBS := common-min
qubesdb-client_SRCS := $(addprefix runtime/qubesdb/,client.c protocol.c)
qubesdb-client_LIBS := common-min

XEN_BINS += qubesdb-daemon qubesdb-cmd
SOCKET_BINS += qubesdb-daemon qubesdb-cmd
qubesdb-daemon_SRCS := $(addprefix runtime/qubesdb/,daemon.c server.c link.c) common/ui/options.c
qubesdb-daemon_LIBS := qubesdb-engine vchan common-min
qubesdb-daemon_PKGS := libsystemd
qubesdb-cmd_SRCS := runtime/qubesdb/cmd.c common/ui/options.c
qubesdb-cmd_LIBS := qubesdb-client common-min

# For programs of others. Compiled for itself: what the static libraries are made of does not fit into a shared one.
XEN_LIBRARIES += libqubesdb.so
SOCKET_LIBRARIES += libqubesdb.so
libqubesdb_SRCS := $(qubesdb-client_SRCS) $(common_min_SRCS)
$(BUILD)/socket/bin/libqubesdb.so $(BUILD)/xen/bin/libqubesdb.so: runtime/qubesdb/libqubesdb.map $(libqubesdb_SRCS) \
		$(wildcard common/base/*.h common/sys/*.h runtime/qubesdb/*.h runtime/qubesdb/include/*.h)
	@mkdir -p $(@D)
	$(LINK) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -shared -Wl,-soname,libqubesdb.so -Wl,--version-script=$< \
		-ffunction-sections -Wl,--gc-sections $(ALL_LDFLAGS) -o $@ $(libqubesdb_SRCS)

# For the suite only.
SOCKET_BINS += vchan-garbage qubesdb-shared
qubesdb-shared_SRCS := runtime/qubesdb/tests/shared.c
vchan-garbage_SRCS := runtime/qubesdb/tests/garbage.c
vchan-garbage_LIBS := vchan

TESTS += test-qubesdb
test-qubesdb_SRCS := runtime/qubesdb/tests/test_engine.c
test-qubesdb_LIBS := qubesdb-engine common

CHECK_FAST += runtime/qubesdb/tests/run

FUZZ += fuzz-qubesdb
fuzz-qubesdb_SRCS := qa/fuzz/qubesdb.c
fuzz-qubesdb_LIBS := qubesdb-engine
