# libqubesadmin: the client of the Admin API.
LIBS += qubesadmin
qubesadmin_SRCS := $(addprefix runtime/qubesadmin/,client.c values.c)
qubesadmin_LIBS := common
