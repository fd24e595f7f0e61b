builder_SRCS += builder/package/package.c
