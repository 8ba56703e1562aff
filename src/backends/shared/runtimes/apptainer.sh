stop_runtime() { :; }
before_executor() { :; }
after_executor() { :; }
