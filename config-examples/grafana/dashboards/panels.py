"""Panels and variables that all dashboards share."""

from collections.abc import Sequence
from typing import Protocol, Self, cast

from grafana_foundation_sdk.builders import bargauge, common, logs, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

DATASOURCE = "${datasource}"

Target = Builder[Dataquery]
Variable = Builder[models.VariableModel]
Steps = Sequence[tuple[float | None, str]]

# Colours of a number, from each limit on; the first has none.
NEUTRAL: Steps = ((None, "text"),)
SOME_ARE_NOTED: Steps = ((None, "text"), (1, "orange"))
NONE_IS_GOOD: Steps = ((None, "green"), (1, "red"))
NONE_IS_BAD: Steps = ((None, "red"), (1, "green"))


class PanelBuilder(Protocol):
    """What the builders of all kinds of panels have in common."""

    def id(self, id_val: int) -> Self: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: models.DataSourceRef) -> Self: ...
    def targets(self, targets: list[Target]) -> Self: ...
    def transformations(self, transformations: list[models.DataTransformerConfig]) -> Self: ...
    def no_value(self, no_value: str) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def build(self) -> models.Panel: ...


def source(kind: str) -> models.DataSourceRef:
    return models.DataSourceRef(type_val=kind, uid=DATASOURCE)


def thresholds(steps: Steps) -> builders.ThresholdsConfig:
    made = [models.Threshold(value=value, color=color) for value, color in steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def everything(name: str, text: str, description: str, all_value: str) -> builders.QueryVariable:
    """A variable with several values, which has all of them at first."""
    chosen = models.VariableOption(text="All", value="$__all", selected=True)
    variable = builders.QueryVariable(name).label(text).description(description).multi(True)
    variable = variable.include_all(True).all_value(all_value).current(chosen)
    return variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)


def one_of(name: str, text: str, values: Sequence[str], all_value: str) -> builders.CustomVariable:
    """A variable with some of the values, which has all of them at first."""
    chosen = models.VariableOption(text="All", value="$__all", selected=True)
    variable = builders.CustomVariable(name).label(text).values(",".join(values)).multi(True)
    return variable.include_all(True).all_value(all_value).current(chosen)


class Board:
    """A dashboard whose panels are placed one after the other."""

    def __init__(self, title: str, uid: str, kind: str, description: str, variables: Sequence[Variable]) -> None:
        self.kind = kind
        self._panels = 0
        self._board = builders.Dashboard(title).uid(uid).description(description).tags(["office365-source", kind])
        self._board.time("now-24h", "now").timezone("browser").refresh("5m").editable()
        self._board.tooltip(models.DashboardCursorSync.CROSSHAIR)
        datasource = builders.DatasourceVariable("datasource").label("Data source").type(kind)
        for variable in [datasource, *variables]:
            self._board.with_variable(variable)

    def row(self, title: str) -> None:
        self._panels += 1
        self._board.with_row(builders.Row(title).id(self._panels))

    def add(self, panel: PanelBuilder, width: int, height: int = 8) -> None:
        self._panels += 1
        placed = panel.id(self._panels).datasource(source(self.kind)).span(width).height(height)
        # A protocol cannot say that it is one of the SDK's builders.
        self._board.with_panel(cast(Builder[models.Panel], placed))

    def build(self) -> models.Dashboard:
        return self._board.build()


def number(
    title: str,
    description: str,
    targets: Sequence[Target],
    no_value: str,
    *,
    calc: str,
    unit: str = "short",
    steps: Steps = NEUTRAL,
) -> stat.Panel:
    """One large number, or one for each series."""
    panel = stat.Panel().title(title).description(description).targets(list(targets)).no_value(no_value).unit(unit)
    panel = panel.thresholds(thresholds(steps)).reduce_options(common.ReduceDataOptions().calcs([calc]))
    panel = panel.graph_mode(common_models.BigValueGraphMode.NONE).wide_layout(False)
    return panel.color_mode(common_models.BigValueColorMode.VALUE)


def bars(
    title: str, description: str, targets: Sequence[Target], no_value: str, *, calc: str, steps: Steps = NONE_IS_BAD
) -> bargauge.Panel:
    """A number with its name for each series, one below the other."""
    panel = bargauge.Panel().title(title).description(description).targets(list(targets)).no_value(no_value)
    panel = panel.thresholds(thresholds(steps)).reduce_options(common.ReduceDataOptions().calcs([calc]))
    panel = panel.orientation(common_models.VizOrientation.HORIZONTAL).unit("short").min(0)
    return panel.display_mode(common_models.BarGaugeDisplayMode.BASIC)


def lines(
    title: str,
    description: str,
    targets: Sequence[Target],
    no_value: str,
    *,
    unit: str = "short",
    stacked: bool = False,
    steps: Steps = (),
) -> timeseries.Panel:
    """Numbers over time: bars on each other for what adds up, else lines. Steps are drawn as limits."""
    panel = timeseries.Panel().title(title).description(description).targets(list(targets)).no_value(no_value).unit(unit)
    panel = panel.min(0).line_width(1).tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
    legend = common.VizLegendOptions().show_legend(True).placement(common_models.LegendPlacement.BOTTOM)
    panel = panel.legend(legend.display_mode(common_models.LegendDisplayMode.LIST))
    if stacked:
        panel = panel.draw_style(common_models.GraphDrawStyle.BARS).fill_opacity(70)
        panel = panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    if steps:
        style = common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        panel = panel.thresholds(thresholds(steps)).thresholds_style(style)
    return panel


def rows(
    title: str,
    description: str,
    targets: Sequence[Target],
    no_value: str,
    *,
    transformations: Sequence[models.DataTransformerConfig] = (),
    sort_by: str | None = None,
) -> table.Panel:
    panel = table.Panel().title(title).description(description).targets(list(targets)).no_value(no_value)
    panel = panel.transformations(list(transformations)).filterable(True)
    if sort_by is not None:
        panel = panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    return panel


def lines_of_text(title: str, description: str, targets: Sequence[Target], no_value: str) -> logs.Panel:
    panel = logs.Panel().title(title).description(description).targets(list(targets)).no_value(no_value)
    panel = panel.show_time(True).wrap_log_message(True).enable_log_details(True)
    return panel.sort_order(common_models.LogsSortOrder.DESCENDING)


def transformation(name: str, **options: object) -> models.DataTransformerConfig:
    return models.DataTransformerConfig(id_val=name, options=options)


def organize(hidden: Sequence[str], names: dict[str, str], order: Sequence[str] = ()) -> models.DataTransformerConfig:
    """Columns of a table: without those hidden, with other names, in this order."""
    return transformation(
        "organize",
        excludeByName={name: True for name in hidden},
        indexByName={name: index for index, name in enumerate(order)},
        renameByName=names,
    )
