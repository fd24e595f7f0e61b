LIBS += builder-lock
builder-lock_SRCS := builder/lock/lock.c builder/lock/words.c builder/lock/diff.c
builder-lock_LIBS := common
