builder_SRCS += $(addprefix builder/root/,apt_sources.c base.c dpkg.c finish.c normalise.c overlay.c plan.c workplace.c)
