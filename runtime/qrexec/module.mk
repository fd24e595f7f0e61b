qrexec_common := $(addprefix runtime/qrexec/,protocol.c channel.c transfer.c)
qrexec_launch := $(addprefix runtime/qrexec/,command.c service.c launch.c session.c)
qrexec_programs := qrexec-agent qrexec-daemon qrexec-client
SOCKET_BINS += $(qrexec_programs)
XEN_BINS += $(qrexec_programs)

qrexec-agent_SRCS := $(qrexec_common) $(qrexec_launch) \
	$(addprefix runtime/qrexec/,agent.c agent_calls.c agent_clients.c notify.c)
qrexec-agent_LIBS := vchan common
qrexec-agent_LDLIBS := -lpam

qrexec-daemon_SRCS := $(qrexec_common) $(addprefix runtime/qrexec/,daemon.c daemon_clients.c daemon_requests.c notify.c)
qrexec-daemon_LIBS := vchan common

qrexec-client_SRCS := $(qrexec_common) $(addprefix runtime/qrexec/,client.c streams.c)
qrexec-client_LIBS := vchan common
CHECK_FAST += runtime/qrexec/tests/run

TESTS += test-qrexec
test-qrexec_SRCS := $(qrexec_common) runtime/qrexec/command.c runtime/qrexec/service.c \
	$(addprefix runtime/qrexec/tests/,test_parse.c test_transfer.c)
test-qrexec_LIBS := vchan common
