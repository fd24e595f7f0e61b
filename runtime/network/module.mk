# Network of a qube: its tables, its clients' interfaces, their name servers.
LIBS += network-parts
network-parts_SRCS := $(addprefix runtime/network/,vif.c dns.c decide.c follow.c)
network-parts_LIBS := network-ip common-min

LIBS += network-ip network-nft
network-ip_SRCS := runtime/network/ip.c runtime/network/address.c
network-ip_LIBS := common-min
network-nft_SRCS := runtime/network/nft.c
network-nft_LIBS := common-min
network-nft_PKGS := libnftables

SOCKET_BINS += qubes-network
qubes-network_SRCS := runtime/network/main.c
qubes-network_LIBS := network-parts network-nft qubesdb-client common

XEN_BINS += qubes-network qubes-backend
qubes-backend_SRCS := runtime/network/backend.c
qubes-backend_LIBS := network-parts network-nft conntrack qubesdb-client common-min
qubes-backend_PKGS := xenstore libsystemd

TESTS += test-network
test-network_SRCS := runtime/network/tests/test_network.c
test-network_LIBS := network-parts common
