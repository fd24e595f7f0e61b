qrexec_common := $(addprefix runtime/qrexec/,protocol.c channel.c transfer.c)
qrexec_launch := $(addprefix runtime/qrexec/,command.c service.c launch.c session.c)
qrexec_programs := qrexec-agent qrexec-daemon qrexec-client qrexec-client-vm qrexec-fork-server
qrexec_launch_direct := $(addprefix runtime/qrexec/,command.c service.c launch.c)
SOCKET_BINS += $(qrexec_programs)
XEN_BINS += $(qrexec_programs)

qrexec-agent_SRCS := $(qrexec_common) $(qrexec_launch) \
	$(addprefix runtime/qrexec/,agent.c agent_common.c agent_calls.c agent_clients.c agent_session.c notify.c polls.c)
qrexec-agent_LIBS := vchan common
qrexec-agent_LDLIBS := -lpam

qrexec-fork-server_SRCS := $(qrexec_common) $(qrexec_launch_direct) \
	$(addprefix runtime/qrexec/,fork_server.c agent_common.c agent_calls.c polls.c)
qrexec-fork-server_LIBS := vchan common

qrexec-daemon_SRCS := $(qrexec_common) \
	$(addprefix runtime/qrexec/,daemon.c daemon_clients.c daemon_requests.c daemon_route.c notify.c polls.c)
qrexec-daemon_LIBS := policy vchan common

qrexec-client_SRCS := $(qrexec_common) $(addprefix runtime/qrexec/,client.c client_serve.c streams.c) $(qrexec_launch_direct)
qrexec-client_LIBS := vchan common

qrexec-client-vm_SRCS := $(qrexec_common) $(addprefix runtime/qrexec/,client_vm.c streams.c)
qrexec-client-vm_LIBS := vchan common
CHECK_FAST += runtime/qrexec/tests/run runtime/qrexec/tests/covered runtime/qrexec/policy/tests/covered

# Services of qubes; the first also of dom0.
service_programs := qubes-get-date qubes-vmexec qubes-wait-for-session
SOCKET_BINS += $(service_programs)
XEN_BINS += $(service_programs)
qubes-get-date_SRCS := runtime/qrexec/services/get_date.c
qubes-wait-for-session_SRCS := runtime/qrexec/services/wait_for_session.c
qubes-wait-for-session_LIBS := common-min
qubes-vmexec_SRCS := runtime/qrexec/services/vmexec.c
qubes-vmexec_LIBS := common-min

TESTS += test-qrexec
test-qrexec_SRCS := $(qrexec_common) runtime/qrexec/command.c runtime/qrexec/service.c \
	$(addprefix runtime/qrexec/tests/,test_parse.c test_transfer.c)
test-qrexec_LIBS := vchan common

SOCKET_BINS += qrexec-bench
qrexec-bench_SRCS := $(addprefix runtime/qrexec/bench/,bench.c bench_policy.c)
qrexec-bench_LIBS := policy common

.PHONY: bench-runtime
# BENCH_WITH=DIR: programs of another build or of somebody else, measured in turn with ours.
bench-runtime: socket
	$(BUILD)/socket/bin/qrexec-bench $(BUILD)/socket/bin $(BENCH_WITH)
	@runtime/qrexec/bench/syscalls $(BUILD)/socket/bin
	@BUILD=$(BUILD) runtime/filecopy/tests/bench

TESTS += test-qrexec-wire
test-qrexec-wire_SRCS := $(addprefix runtime/qrexec/tests/,test_wire.c test_peers.c peer.c)
test-qrexec-wire_LIBS := vchan common-min

FUZZ += fuzz-vmexec
fuzz-vmexec_SRCS := qa/fuzz/vmexec.c
fuzz-vmexec_LIBS := common-min

FUZZ += fuzz-qrexec
fuzz-qrexec_SRCS := qa/fuzz/qrexec.c $(qrexec_common) runtime/qrexec/command.c runtime/qrexec/service.c
fuzz-qrexec_LIBS := common

# The policy: a library, its tools, the daemon. qrexec-daemon needs of it only the texts of question and answer.
LIBS += policy policy-decide
policy_SRCS := $(addprefix runtime/qrexec/policy/,token.c system.c rules.c load.c match.c evaluate.c answer.c)
policy_LIBS := common
policy-decide_SRCS := $(addprefix runtime/qrexec/policy/,decide.c watch.c exchange.c reply.c eval.c question.c)
policy-decide_LIBS := policy
policy-decide_PKGS := libsystemd

policy_programs := qrexec-policy qrexec-policy-daemon qrexec-policy-exec qrexec-policy-agent
SOCKET_BINS += $(policy_programs)
XEN_BINS += $(policy_programs)
qrexec-policy_SRCS := runtime/qrexec/policy/cmd.c
qrexec-policy_LIBS := policy qubesadmin common
qrexec-policy-daemon_SRCS := runtime/qrexec/policy/daemon.c
qrexec-policy-daemon_LIBS := policy-decide common
qrexec-policy-exec_SRCS := runtime/qrexec/policy/exec.c
qrexec-policy-exec_LIBS := policy-decide common

qrexec-policy-agent_SRCS := $(addprefix runtime/qrexec/policy/,agent.c terminal.c)
qrexec-policy-agent_LIBS := policy-decide common

TESTS += test-policy
test-policy_SRCS := $(addprefix runtime/qrexec/policy/tests/,test_policy.c test_answer.c)
test-policy_LIBS := policy-decide common

FUZZ += fuzz-policy fuzz-policy-texts
fuzz-policy_SRCS := qa/fuzz/policy.c
fuzz-policy_LIBS := policy common
fuzz-policy-texts_SRCS := qa/fuzz/policy-texts.c
fuzz-policy-texts_LIBS := policy-decide common

# For the suites: a scripted qubesd, and a client for sockets.
SOCKET_BINS += fake-qubesd fake-client
fake-qubesd_SRCS := runtime/qrexec/tests/fake_qubesd.c
fake-qubesd_LIBS := common-min
fake-client_SRCS := runtime/qrexec/tests/fake_client.c
fake-client_LIBS := common-min
