{% from 'qvm/template.jinja' import load -%}
{% set defaults %}
name: default-mgmt-dvm
present: [{label: black}]
prefs: [{label: black}, {netvm: ''}, {dispvm-allowed: true}]
features: [{enable: [appmenus-dispvm, internal]}]
{% endset -%}
{{ load(defaults) }}
qubes-prefs management_dispvm default-mgmt-dvm:
  cmd.run:
    - unless: test "$(qubes-prefs management_dispvm)" = default-mgmt-dvm
    - require:
      - qvm: default-mgmt-dvm
