LIBS += builder-fetch
builder-fetch_SRCS := $(addprefix builder/fetch/,apt_sources.c cache.c curl.c fetch.c mirror.c part.c progress.c transfer.c)
builder-fetch_LIBS := builder-deb builder-lock common
builder-fetch_PKGS := libcurl

TESTS += test-fetch
test-fetch_SRCS := builder/tests/test_fetch.c
test-fetch_LIBS := builder-fetch
test-fetch_LDLIBS := -pthread
