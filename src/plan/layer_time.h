// Seconds of one layer on one device: products on the roofline of their shapes, attention, elementwise work.
#pragma once

#include "plan/constants.h"
#include "plan/layout.h"

namespace nuri::plan {

/// Rates that this job reaches, in FLOP/s and bytes/s.
struct Rates {
  double product = 0, product_16 = 0, attention = 0, memory = 0, link = 0, network = 0, host = 0;
  double value_bytes = 2;  ///< of an operand
};

Rates rates_of(const Job& job, const Constants& constants);

/// Seconds of one layer and one micro-batch; products of the forward alone, the rest forward and backward.
struct LayerTime {
  double forward = 0, up_forward = 0, ffn_forward = 0, backward = 0, attention_forward = 0, elementwise = 0;
};

/// Of one micro-batch, degrees of parallelism applied. Job and constants must outlive it.
class LayerClock {
 public:
  LayerClock(const Job& job, const Constants& constants);
  const Rates& rates() const { return r_; }
  double tokens() const { return tokens_; }  ///< of the micro-batch on one device
  LayerTime layer(bool moe) const;
  double head() const;  ///< forward of the head, 16 bits

 private:
  void add(LayerTime& t, double& moved, double rows, double n, double k, double groups, double rate) const;
  template <class Product>
  void mlp(const MlpShape& m, Product&& product) const;
  const Job& job_;
  const Constants& c_;
  const Rates r_;
  const double tokens_;
};

}  // namespace nuri::plan
