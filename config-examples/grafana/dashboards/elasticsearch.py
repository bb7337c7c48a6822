"""Queries for Elasticsearch."""

import json
from collections.abc import Sequence

from grafana_foundation_sdk.builders import elasticsearch as builders
from grafana_foundation_sdk.builders.dashboard import AdHocVariable
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import elasticsearch as models

from .conditions import Condition
from .panels import PanelBuilder, Target, Variable, everything, one_of, organize, rows, source, transformation
from .stores import Parts

TIME = "@timestamp"
TOP = "20"
LATEST = "100"
# A data source may have other events beside ours, such as the findings of the detections.
OURS = 'event.dataset:"o365.audit"'
TENANT = "organization.id"
CONTENT_TYPE = "o365.content.type"


def anything(field: str) -> str:
    """What stands behind the colon when all values are chosen: also events without the field, such as those of an export."""
    return f"* OR (NOT _exists_:{field})"


class Elasticsearch:
    kind = "elasticsearch"
    total_calc = "sum"

    def __init__(self, content_types: Sequence[str]) -> None:
        self._content_types = content_types
        limits = [OURS, f"({TENANT}:$tenant)"]
        if len(content_types) > 1:
            limits.append(f"({CONTENT_TYPE}:$content_type)")
        self._limits = " AND ".join(limits)

    def variables(self) -> list[Variable]:
        datasource = source(self.kind)
        tenant = everything("tenant", "Tenant", "The organization.id of the events", anything(TENANT)).datasource(datasource)
        query = json.dumps({"find": "terms", "field": TENANT, "query": OURS})
        variables: list[Variable] = [tenant.query(query)]
        if len(self._content_types) > 1:
            variables.append(one_of("content_type", "Content type", self._content_types, anything(CONTENT_TYPE)))
        return [*variables, AdHocVariable("filters").label("Filters").datasource(datasource)]

    def _query(self, base: Condition) -> builders.Dataquery:
        return builders.Dataquery().ref_id("A").time_field(TIME).query(f"{self._limits} AND {base.lucene()}")

    def _histogram(self) -> builders.DateHistogram:
        settings = builders.ElasticsearchDateHistogramSettings().interval("auto").min_doc_count("0")
        return builders.DateHistogram().id("time").field(TIME).settings(settings)

    def over_time(self, base: Condition, parts: Parts) -> list[Target]:
        filters: list[Builder[models.Filter]] = [
            builders.Filter().label(name).query(part.lucene()) for name, part in parts.items()
        ]
        split = builders.Filters().id("parts").settings(builders.ElasticsearchFiltersSettings().filters(filters))
        return [self._query(base).bucket_aggs([split, self._histogram()]).metrics([builders.Count().id("count")])]

    def totals(self, base: Condition, parts: Parts) -> list[Target]:
        # A histogram also counts where there is nothing, so that the number is 0 and no panel stays empty.
        return self.over_time(base, parts)

    def by_value(self, base: Condition, field: str) -> list[Target]:
        query = self._query(base).bucket_aggs([terms(field, "10"), self._histogram()])
        return [query.metrics([builders.Count().id("count")])]

    def top(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        query = self._query(base).bucket_aggs([terms(field, TOP) for field in fields])
        return rows(title, description, [query.metrics([builders.Count().id("count")])], no_value, sort_by="Count")

    def latest(self, title: str, description: str, base: Condition, fields: Sequence[str], no_value: str) -> PanelBuilder:
        columns = [TIME, *fields]
        settings = builders.ElasticsearchRawDataSettings().size(LATEST)
        query = self._query(base).metrics([builders.RawData().id("events").settings(settings)]).bucket_aggs([])
        # Each document has some hundred fields.
        chosen = transformation("filterFieldsByName", include={"names": columns})
        changes = [chosen, organize([], {}, columns)]
        return rows(title, description, [query], no_value, transformations=changes)


def terms(field: str, size: str) -> builders.Terms:
    settings = builders.ElasticsearchTermsSettings().size(size).min_doc_count("1").order_by("_count")
    return builders.Terms().id(field).field(field).settings(settings.order(models.TermsOrder.DESC))
