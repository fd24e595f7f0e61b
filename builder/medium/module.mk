# The form of the lists is needed by the ISO writer too; the rest is about finished media.
builder_SRCS += builder/medium/sums.c
