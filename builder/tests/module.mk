TESTS += test-sandbox test-definition test-archive test-root test-store
test-sandbox_SRCS := builder/tests/test_sandbox.c
test-sandbox_LIBS := builder
test-definition_SRCS := builder/tests/test_definition.c
test-definition_LIBS := builder
test-archive_SRCS := builder/tests/test_archive.c
test-archive_LIBS := builder
# Writers, which only this test needs.
test-archive_PKGS := libarchive
test-root_SRCS := builder/tests/test_root.c
test-root_LIBS := builder
test-store_SRCS := builder/tests/test_store.c
test-store_LIBS := builder
TESTS += test-graph
test-graph_SRCS := builder/tests/test_graph.c builder/tests/world.c
test-graph_LIBS := builder
TESTS += test-inputs
test-inputs_SRCS := builder/tests/test_inputs.c
test-inputs_LIBS := builder
TESTS += test-manifest test-records
test-manifest_SRCS := builder/tests/test_manifest.c
test-manifest_LIBS := builder
test-records_SRCS := builder/tests/test_records.c builder/tests/world.c
test-records_LIBS := builder
TESTS += test-direct
test-direct_SRCS := builder/tests/test_direct.c
test-direct_LIBS := builder
CHECK_FAST += builder/tests/build-cases
# What builder/tests/repro preloads.
tests: $(BUILD)/test/reverse-readdir.so
$(BUILD)/test/reverse-readdir.so: builder/tests/reverse_readdir.c
	@mkdir -p $(@D)
	$(Q)$(if $(V),,echo "  LD    $@";) $(CC) -std=c17 -O2 $(WARNINGS) $(if $(STRICT),-Werror) -D_GNU_SOURCE -fPIC -shared -o $@ $< -ldl
