{% from 'qvm/template.jinja' import load -%}
include:
  - qvm.sys-firewall
{% set defaults %}
name: untrusted
present: [{label: red}]
require: [{qvm: sys-firewall}]
{% endset -%}
{{ load(defaults) }}
