builder_SRCS += $(addprefix builder/archive/,tar_tree.c tar_write.c unpack.c)
