{% from 'qvm/template.jinja' import load -%}
{% set defaults %}
name: default-dvm
present: [{label: red}]
prefs: [{label: red}, {dispvm-allowed: true}]
features: [{enable: [appmenus-dispvm]}]
{% endset -%}
{{ load(defaults) }}
