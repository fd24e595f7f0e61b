# The state engine.
LIBS += salt-values salt-jinja
salt-values_SRCS := $(addprefix salt-lite/value/,heap.c map.c regex.c resolve.c value.c write.c yaml.c)
salt-values_LIBS := common
salt-values_PKGS := yaml-0.1 libpcre2-8
salt-values_LDLIBS := -lm
salt-jinja_SRCS := $(addprefix salt-lite/jinja/,eval.c expression.c filters.c globals.c lex.c methods.c parse.c run.c tests.c)
salt-jinja_LIBS := salt-values
salt-jinja_LDLIBS := -lm

TESTS += test-salt-template
test-salt-template_SRCS := salt-lite/tests/test_template.c
test-salt-template_LIBS := salt-jinja
CHECK_FAST += salt-lite/tests/recheck
