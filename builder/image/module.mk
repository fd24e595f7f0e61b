builder_SRCS += $(addprefix builder/image/,outputs.c derive.c gpt.c)

TESTS += test-image
test-image_SRCS := builder/tests/test_gpt.c
test-image_LIBS := builder
