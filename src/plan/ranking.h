// One plan out of several numbers of devices: the fastest, or the cheapest, that ends in time.
#pragma once

#include "plan/plan.h"

namespace nuri::plan {

struct Ranking {
  std::vector<int64_t> devices;  ///< ascending, each once; of one the plan is that of make_plan
  RankBy by = RankBy::time;
  double most_days = 0;  ///< a longer run is out; 0: none is
};

/// "256,512,1024". Errors: no whole numbers from 1 to 10 M, one given twice, more than 64.
std::vector<int64_t> parse_devices(const std::string& text);

/// US dollars of the lines that apply: rent, or with a price to buy at the purchase's share and power; of these the
/// allowance for failed runs; and staff. 0 where no price is known.
double spent_usd(const Plan& plan);
/// Which those are.
report::Label spent_on(const Plan& plan);

/// The layout for each number is the given one, or the fastest, which is also the cheapest of that number. Errors: none
/// works (with the reason of the largest), none ends in time (with the nearest), money without a price; of a single
/// number those of make_plan.
Plan make_ranked_plan(const PlanRequest& request, const Ranking& ranking);

/// The table of a plan's by_devices, "" where there is none.
std::string ranking_text(const Plan& plan);
void add_ranking(report::Page& page, const Plan& plan);

}  // namespace nuri::plan
