{% from 'qvm/template.jinja' import load -%}
include:
  - qvm.sys-firewall
{% set defaults %}
name: personal
present: [{label: yellow}]
require: [{qvm: sys-firewall}]
{% endset -%}
{{ load(defaults) }}
