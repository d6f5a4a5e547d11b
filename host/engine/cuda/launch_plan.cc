#include "engine/cuda/launch_plan.h"

#include <algorithm>
#include <memory>

#include "engine/cuda/trace.h"

namespace oddity::cuda {
namespace {

bool overlap(const std::vector<MemoryRange>& some, const std::vector<MemoryRange>& others) {
  return std::any_of(some.begin(), some.end(), [&](const MemoryRange& a) {
    return std::any_of(others.begin(), others.end(),
                       [&](const MemoryRange& b) { return a.begin < b.end && b.begin < a.end; });
  });
}

bool depends(const LaunchNode& later, const LaunchNode& earlier) {
  return overlap(later.reads, earlier.writes) || overlap(later.writes, earlier.writes) ||
         overlap(later.writes, earlier.reads);
}

/// The nodes in as many streams as it takes for none to follow in its stream what it does not
/// depend on: of each node the number of its stream.
std::vector<size_t> streams_of(const std::vector<LaunchNode>& nodes) {
  std::vector<size_t> stream_of(nodes.size());
  std::vector<size_t> last;  // node of each stream
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::vector<size_t>& after = nodes[i].after;
    const auto found = std::find_if(last.begin(), last.end(), [&](size_t node) {
      return std::find(after.begin(), after.end(), node) != after.end();
    });
    stream_of[i] = static_cast<size_t>(found - last.begin());
    if (found == last.end()) {
      last.push_back(i);
    } else {
      *found = i;
    }
  }
  return stream_of;
}

}  // namespace

void LaunchPlan::add(std::string name, int64_t flop, std::vector<MemoryRange> reads,
                     std::vector<MemoryRange> writes, std::function<void(cudaStream_t)> launch) {
  LaunchNode node{std::move(name),   flop, std::move(reads), std::move(writes),
                  std::move(launch), {}};
  std::vector<bool> earlier(nodes_.size());
  // From the last on: what comes before a dependency is none that needs to be told.
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (earlier[i] || !depends(node, nodes_[i])) continue;
    node.after.push_back(i);
    earlier[i] = true;
    for (size_t j = 0; j < i; ++j) {
      if (earlier_[i][j]) earlier[j] = true;
    }
  }
  nodes_.push_back(std::move(node));
  earlier_.push_back(std::move(earlier));
}

LaunchPlan LaunchPlan::repeated(int64_t times) const {
  LaunchPlan all;
  for (int64_t i = 0; i < times; ++i) {
    for (const LaunchNode& node : nodes_) {
      all.add(node.name, node.flop, node.reads, node.writes, node.launch);
    }
  }
  return all;
}

size_t LaunchPlan::critical_path() const {
  std::vector<size_t> length(nodes_.size(), 1);
  size_t longest = 0;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    for (const size_t before : nodes_[i].after) length[i] = std::max(length[i], length[before] + 1);
    longest = std::max(longest, length[i]);
  }
  return longest;
}

void LaunchPlan::enqueue(cudaStream_t stream) const {
  for (const LaunchNode& node : nodes_) {
    const TraceRange range(node.name.c_str());
    node.launch(stream);
  }
}

CapturedGraph LaunchPlan::capture(cudaStream_t stream) const {
  const std::vector<size_t> stream_of = streams_of(nodes_);
  std::vector<std::unique_ptr<Stream>> others(
      1 + *std::max_element(stream_of.begin(), stream_of.end()));
  for (size_t i = 1; i < others.size(); ++i) others[i] = std::make_unique<Stream>();
  const auto stream_at = [&](size_t i) {
    return stream_of[i] == 0 ? stream : others[stream_of[i]]->get();
  };
  Event begin;
  std::vector<Event> done(nodes_.size());
  return {stream, [&] {
            begin.record(stream);
            for (size_t i = 1; i < others.size(); ++i) begin.hold_back(others[i]->get());
            std::vector<bool> followed(nodes_.size());
            for (size_t i = 0; i < nodes_.size(); ++i) {
              for (const size_t before : nodes_[i].after) {
                if (stream_of[before] != stream_of[i]) done[before].hold_back(stream_at(i));
                followed[before] = true;
              }
              nodes_[i].launch(stream_at(i));
              done[i].record(stream_at(i));
            }
            for (size_t i = 0; i < nodes_.size(); ++i) {
              if (!followed[i]) done[i].hold_back(stream);
            }
          }};
}

}  // namespace oddity::cuda
