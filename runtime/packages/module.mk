CHECK_FAST += runtime/packages/tests/run runtime/packages/tests/man
