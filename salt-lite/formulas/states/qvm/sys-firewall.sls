{% from 'qvm/template.jinja' import load -%}
{% set disposable = salt['pillar.get']('qvm:sys-firewall:disposable', false) -%}
include:
  - qvm.sys-net
  - qvm.default-dispvm
{% set defaults %}
name: sys-firewall
present:
  - label: green
  - mem: 500
  - flags: [proxy]
{% if disposable %}
  - class: DispVM
  - template: default-dvm
{% endif %}
prefs:
  - label: green
  - netvm: sys-net
  - autostart: true
  - provides-network: true
  - memory: 500
features:
  - enable: [servicevm]
require: [{qvm: default-dvm}, {qvm: sys-net}]
{% endset -%}
{{ load(defaults) }}
