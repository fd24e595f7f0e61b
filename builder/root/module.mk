builder_SRCS += $(addprefix builder/root/,apt_sources.c base.c dpkg.c finish.c normalise.c overlay.c plan.c workplace.c)
builder_SRCS += $(addprefix builder/root/direct/,batch.c database.c direct.c judge.c merge.c review.c stage.c staged.c status.c)
