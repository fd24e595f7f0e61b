# Commands that look at what was built.
builder_SRCS += $(addprefix builder/inspect/,compare.c diff_command.c session.c shell_command.c terminal.c why.c \
	why_command.c)

TESTS += test-inspect
test-inspect_SRCS := builder/tests/test_inspect.c builder/tests/world.c
test-inspect_LIBS := builder
