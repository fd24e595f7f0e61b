builder_SRCS += $(addprefix builder/archive/,deb.c tar_tree.c tar_write.c unpack.c)
