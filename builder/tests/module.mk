TESTS += test-sandbox
test-sandbox_SRCS := builder/tests/test_sandbox.c
test-sandbox_LIBS := builder
