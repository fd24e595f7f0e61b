# The format is a library of its own: fetching and building need it without the solver.
LIBS += builder-lock
builder-lock_SRCS := builder/lock/lock.c builder/lock/words.c builder/lock/diff.c
builder-lock_LIBS := common

builder_SRCS += $(addprefix builder/lock/,apt.c command.c resolve.c suite.c)
builder_LIBS += builder-fetch builder-deb builder-lock
