// Images of a finished scoring run, looked at once more: for its report and its heat maps.
#pragma once

#include "console.h"
#include "detect/journal.h"
#include "engine/engine.h"
#include "image_inputs.h"
#include "report/html_report.h"
#include "report_page.h"

namespace oddity {

/// Fills in what `report` says of the rows of `journal`, which is complete: counts, distribution,
/// and the images it shows; writes the heat maps of all outliers where they are asked for. Images
/// are read again from `inputs`; one that is no longer there, or no longer has its score, is left
/// out, and the console says how many. `exact` is as it was when they were scored.
void add_images(const Console& console, Report& report, const ReportOptions& options,
                const Journal& journal, const ImageInputs& inputs, const PipelineOptions& pipeline,
                Engine& engine, Network& network, const ExactScores& exact);

}  // namespace oddity
