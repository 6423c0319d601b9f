{{- define "airbyte-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride }}
{{- end }}

{{- define "airbyte-exporter.fullname" -}}
{{- $name := include "airbyte-exporter.name" . }}
{{- $made := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-") }}
{{- $full := default $made .Values.fullnameOverride }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) }}
{{- fail (printf "%s can be no Service's name, which begins with a letter and has small ones, digits and hyphens: set fullnameOverride" $full) }}
{{- end }}
{{- $full }}
{{- end }}

{{- define "airbyte-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "airbyte-exporter.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "airbyte-exporter.testLabels" -}}
app.kubernetes.io/name: {{ include "airbyte-exporter.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "airbyte-exporter.labels" -}}
{{ include "airbyte-exporter.selectorLabels" . }}
app.kubernetes.io/part-of: airbyte
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "airbyte-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "airbyte-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "airbyte-exporter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- define "airbyte-exporter.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
  scheme: {{ .scheme }}
{{- end }}
