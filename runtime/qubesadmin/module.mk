# libqubesadmin: the client of the Admin API.
LIBS += qubesadmin
qubesadmin_SRCS := runtime/qubesadmin/client.c
qubesadmin_LIBS := common
