# The firewall of a qube that provides network.
LIBS += firewall-parts
firewall-parts_SRCS := $(addprefix runtime/firewall/,rules.c script.c resolve.c)
firewall-parts_LIBS := common-min

LIBS += conntrack
conntrack_SRCS := runtime/firewall/conntrack.c
conntrack_PKGS := libnetfilter_conntrack

SOCKET_BINS += qubes-firewall
XEN_BINS += qubes-firewall
qubes-firewall_SRCS := $(addprefix runtime/firewall/,main.c apply.c)
qubes-firewall_LIBS := firewall-parts conntrack qubesdb-client common
qubes-firewall_PKGS := libsystemd libnftables

TESTS += test-firewall
test-firewall_SRCS := $(addprefix runtime/firewall/tests/,test_script.c test_resolve.c)
test-firewall_LIBS := firewall-parts common

TESTS += test-firewall-packets
test-firewall-packets_SRCS := runtime/firewall/tests/test_packets.c
test-firewall-packets_LIBS := network-parts qubesdb-client common

FUZZ += fuzz-firewall
fuzz-firewall_SRCS := qa/fuzz/firewall.c
fuzz-firewall_LIBS := firewall-parts common-min
