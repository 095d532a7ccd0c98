#include <pthread.h>

#include <utility>

#include "schedule/primitives.h"

namespace pail::schedule {

RunningThread::RunningThread(std::string name, std::function<void()> run)
    : thread_([name = std::move(name), run = std::move(run)] {
        pthread_setname_np(pthread_self(), name.c_str());
        run();
      }) {}

}  // namespace pail::schedule
