CHECK_FAST += runtime/packages/tests/run
