{% from 'qvm/template.jinja' import load -%}
include:
  - qvm.sys-firewall
{% set defaults %}
name: work
present: [{label: blue}]
require: [{qvm: sys-firewall}]
{% endset -%}
{{ load(defaults) }}
